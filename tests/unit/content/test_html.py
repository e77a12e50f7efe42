"""Nothing in an article can run in a reader's browser, and what is harmless looks as it should."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.content.html import HtmlCache, to_html

SITE = "https://www.own.example"


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        '<img src=x onerror="alert(1)">',
        "[x](javascript:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "![x](javascript:alert(1))",
        "<javascript:alert(1)>",
        '[x](https://a.example "\\" onmouseover=alert(1) x=\\"")',
        '```"><script>alert(1)</script>\nx\n```',
        '``` x" onclick="alert(1)\ncode\n```',
        "| <svg/onload=alert(1)> |\n|---|\n| <iframe src=//a.example> |",
        "<style>*{display:none}</style>",
        "<a href='x' style='position:fixed'>y</a>",
        "&lt;script&gt; &#60;script&#62;",
    ],
)
def test_nothing_hostile_survives_as_markup(hostile):
    tags = re.sub(r'title="[^"]*"', "", "".join(re.findall(r"<[^>]*>", to_html(hostile))))
    assert not re.search(
        r"script|onerror|onclick|onmouse|onload|javascript:|data:|iframe|svg|fixed", tags
    )


def test_headings_lists_tables_and_code_are_rendered():
    html = to_html(
        "# T\n\n1. a\n\n| a |\n|:-:|\n| b |\n\n```python\nx < 1\n```\n\n![alt](media/a.webp)"
    )
    assert "<h1>T</h1>" in html
    assert '<th style="text-align:center">a</th>' in html
    assert '<code class="language-python">x &lt; 1' in html
    assert '<img src="media/a.webp" alt="alt">' in html


@pytest.mark.parametrize(
    ("url", "outside"),
    [
        ("https://other.example/a", True),
        ("http://own.example.evil.example", True),
        ("//other.example", True),
        ("https://own.example/about", False),
        ("/about", False),
        ("#part", False),
        ("mailto:a@own.example", False),
    ],
)
def test_only_links_out_of_the_site_are_marked(url, outside):
    assert ('rel="nofollow noopener"' in to_html(f"[x]({url})", SITE)) is outside


@given(st.text(max_size=300))
def test_any_text_can_be_rendered(text):
    assert isinstance(to_html(text), str)


def test_the_cache_gives_the_same_page_and_forgets_the_oldest():
    cache = HtmlCache(capacity=2)
    first = cache.render("# A")
    assert cache.render("# A") is first
    assert cache.render("[x](https://own.example)", SITE) != cache.render(
        "[x](https://own.example)"
    )
    assert cache.render("# A") == first
    assert cache.render("# A") is not first
