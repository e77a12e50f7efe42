"""Links are what a renderer takes for links, and the unwanted ones leave their words behind."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.content.html import to_html
from shared.content.links import page, pages, vouched

KNOWN = pages("https://known.example/a https://www.known.example/b/?utm_source=x&q=1")


def cleaned(markdown: str) -> str:
    return vouched(markdown, KNOWN)[0]


@pytest.mark.parametrize(
    ("markdown", "left"),
    [
        ("See [this page](https://no.example/x).", "See this page."),
        ("See [this](https://known.example/a#part).", "See [this](https://known.example/a#part)."),
        ("[b](http://known.example/b?q=1&utm_medium=y)", None),
        ("[b](https://known.example/b?q=2)", "b"),
        (
            '[t](https://no.example "with (title)") and [k](https://known.example/a)',
            "t and [k](https://known.example/a)",
        ),
        ("[**bold** `code`](<https://no.example/a b>)", "**bold** `code`"),
        ("[x](javascript:alert(1))", "x"),
        ("[x](data:text/html;base64,AAAA)", "x"),
        ("[x](/invented/page) [y](#inside)", "x [y](#inside)"),
        ("![made up](https://no.example/i.png) text", " text"),
        ("[![alt](https://no.example/i.png)](https://no.example)", ""),
        ("<https://no.example/auto>", "https://no.example/auto"),
        ("[words][ref]\n\n[ref]: https://no.example", "words\n\n[ref]: https://no.example"),
        ("`[code](https://no.example)`", None),
        ("```\n[code](https://no.example)\n```", None),
        ("\\[not](https://no.example)", None),
        ("> quoted [over\n> two lines](https://no.example) end", "> quoted over\n> two lines end"),
        (
            "- item [a](https://no.example)\n- [b](https://known.example/a)",
            "- item a\n- [b](https://known.example/a)",
        ),
        (
            "| [a](https://no.example) | b |\n|---|---|\n| c | [d](https://no.example) |",
            "| a | b |\n|---|---|\n| c | d |",
        ),
        ("[back\\\\slash](https://no.example) \\1", "back\\\\slash \\1"),
        ("[x](https://no.example) and again [x](https://no.example)", "x and again x"),
        ("[x](http://[broken)", "x"),
    ],
)
def test_unknown_links_become_words_and_known_ones_stay(markdown, left):
    assert cleaned(markdown) == (markdown if left is None else left)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://www.Example.com/a/", "http://example.com/a"),
        ("https://example.com", "https://example.com/#top"),
        ("https://example.com:443/a", "https://example.com/a"),
        ("https://example.com/caf%C3%A9", "https://example.com/café"),
    ],
)
def test_two_spellings_of_an_address_are_one_page(one, other):
    assert page(one) == page(other) != ""


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mailto:a@b.c",
        "ftp://a.b",
        "//a.b",
        "http://",
        "http://[x",
        "https://a:b:c",
        "relative",
        "https://a.example:99999999/",
    ],
)
def test_what_is_no_web_page_has_no_name(url):
    assert page(url) == ""


markup = st.lists(
    st.sampled_from([*"[]()!<>`*_\\ \n|#-ax1", "https://no.example/", "[a](", "](x)", "![", "\n\n"])
).map("".join)


@given(markup)
def test_after_cleaning_no_stranger_can_be_clicked(markdown):
    rendered = to_html(vouched(markdown, KNOWN)[0])
    assert not re.search(r'(?:href|src)="(?!#)', rendered)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("piece", ["[", "![", "[a](", "[a](b) ", "<", "[a]: b\n", "[[a](b)](c) "])
def test_a_hostile_article_is_read_in_bounded_time(piece):
    text = piece * (20_000 // len(piece))
    assert len(cleaned(text)) <= len(text)
