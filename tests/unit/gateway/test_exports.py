"""What is taken away: WordPress blocks that no text can forge, and archives that never differ."""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.files.gutenberg import gutenberg
from shared.domain.events import Progressed
from shared.domain.values import ORDER, Stage
from tests.unit.gateway.test_files import illustrated

if TYPE_CHECKING:
    from tests.unit.gateway.conftest import House

DELIMITER = re.compile(r"<!--\s+(/)?wp:([a-z-]+) (\{.*?\} )?(/)?-->")
KINDS = {
    "paragraph", "heading", "list", "list-item", "quote", "code", "image", "separator", "table",
    "html",
}  # fmt: skip
FORGED = "<!-- wp:html --><script>alert(1)</script><!-- /wp:html -->"


def kinds(text: str) -> list[str]:
    """The outermost blocks; every one that begins has to end, in order."""
    opened: list[str] = []
    found: list[str] = []
    for closing, kind, _, _ in DELIMITER.findall(text):
        assert kind in KINDS
        if not closing:
            found += [] if opened else [kind]
            opened.append(kind)
        else:
            assert opened.pop() == kind
    assert opened == []
    return found


def blocks(markdown: str, title: str = "") -> str:
    return gutenberg(markdown, title)


@pytest.mark.parametrize(
    ("markdown", "wanted"),
    [
        ("Some *text*.", "<!-- wp:paragraph -->\n<p>Some <em>text</em>.</p>\n"),
        ("## Two", '<!-- wp:heading -->\n<h2 class="wp-block-heading">Two</h2>\n'),
        ("### Three", '<!-- wp:heading {"level":3} -->\n<h3 class="wp-block-heading">Three</h3>\n'),
        ("- a\n- b", '<ul class="wp-block-list"><!-- wp:list-item -->\n<li>a</li>\n'),
        (
            "3. a",
            '<!-- wp:list {"ordered":true,"start":3} -->\n<ol start="3" class="wp-block-list">',
        ),
        ("> Said", '<blockquote class="wp-block-quote"><!-- wp:paragraph -->\n<p>Said</p>\n'),
        ("```js\na<b\n```", '<!-- wp:code -->\n<pre class="wp-block-code"><code>a&lt;b\n</code>'),
        ("---", '<hr class="wp-block-separator has-alpha-channel-opacity"/>'),
        (
            "![A dog](images/a.webp)",
            '<figure class="wp-block-image"><img src="images/a.webp" alt="A dog"/></figure>',
        ),
        ("|a|\n|-:|\n|b|", '<th class="has-text-align-right" data-align="right">a</th>'),
        ("|a|\n|-|\n|b|", '<!-- wp:table {"hasFixedLayout":false} -->\n<figure class="wp-block-'),
    ],
)
def test_each_kind_of_block_is_as_wordpress_writes_it(markdown: str, wanted: str) -> None:
    assert wanted in blocks(markdown)


def test_a_list_in_a_list_is_a_block_in_its_item() -> None:
    text = blocks("- a\n  1. b\n- c")
    assert kinds(text) == ["list"]
    assert text.count("<!-- wp:list ") == 2
    assert text.count("<!-- wp:list-item -->") == 3


@pytest.mark.parametrize("item", ["a\n\n  b", "```\n  x\n  ```", "> q", "# h", ""])
def test_a_list_that_wordpress_cannot_hold_is_plain_html(item: str) -> None:
    assert kinds(blocks(f"- {item}")) == ["html"]


def test_a_heading_that_repeats_the_title_is_left_to_the_theme() -> None:
    assert kinds(blocks("# My  *title*\n\nText", "My title")) == ["paragraph"]
    assert kinds(blocks("# Another\n\nText", "My title")) == ["heading", "paragraph"]
    assert kinds(blocks("## My title\n\nText", "My title")) == ["heading", "paragraph"]


def test_an_empty_text_has_no_blocks() -> None:
    assert blocks("") == blocks("\n\n") == ""


@pytest.mark.parametrize(
    "markdown",
    [
        FORGED,
        f"Text {FORGED}",
        f"`{FORGED}`",
        f"```\n{FORGED}\n```",
        f"    {FORGED}",
        f"- {FORGED}",
        f"> {FORGED}",
        f"## {FORGED}",
        f"|{FORGED}|\n|-|\n|{FORGED}|",
        f"![{FORGED}](a.webp '{FORGED}')",
        f"[x](<https://e.org/{FORGED}> '{FORGED}')",
        f"```{FORGED}\nx\n```",
        "![<!-- /wp:image --><!-- wp:html -->](a)",
    ],
)
def test_a_text_cannot_forge_a_block(markdown: str) -> None:
    text = blocks(markdown)
    assert "html" not in kinds(text)
    assert "<script" not in text


def test_a_text_cannot_call_a_shortcode() -> None:
    assert "[" not in blocks("[gallery ids='1']\n\n```\n[embed]x[/embed]\n```\n\n![[x]](a)")


@given(st.text(alphabet="<!->/wp:html {}[]()`*_#|\n 1.-ab'\"&", max_size=200))
def test_whatever_is_written_the_blocks_are_ours(markdown: str) -> None:
    text = blocks(markdown)
    kinds(text)
    assert text.count("<!--") == len(DELIMITER.findall(text))


# --- over HTTP --------------------------------------------------------------------------------


async def test_wordpress_blocks_are_taken_away_under_a_safe_name(house: House) -> None:
    post = await illustrated(house, slug="my-post")
    answer = await house.client.get(f"/api/posts/{post}/export/wordpress")
    named = 'attachment; filename="my-post.wordpress.html"'
    assert answer.headers["content-disposition"] == named
    assert '<img src="images/a-1.webp" alt="a"/>' in answer.text
    assert "featuredImage" not in answer.text
    assert "<script" not in answer.text


@pytest.mark.parametrize("kind", ["markdown", "html", "wordpress", "all"])
async def test_an_export_that_the_client_has_is_not_sent_again(house: House, kind: str) -> None:
    post = await illustrated(house)
    url = f"/api/posts/{post}/export/{kind}"
    first = await house.client.get(url)
    again = await house.client.get(url, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    other = await house.client.get(url, headers={"If-None-Match": '"other"'})
    assert other.content == first.content


@pytest.mark.parametrize("kind", ["markdown", "html", "wordpress", "all"])
async def test_there_is_nothing_to_export_before_the_edit_and_nothing_of_nobody(
    house: House, kind: str
) -> None:
    post = await house.posted()
    assert (await house.client.get(f"/api/posts/{post}/export/{kind}")).status_code == 404
    nobody = "00000000-0000-4000-8000-000000000000"
    answer = await house.client.get(f"/api/posts/{nobody}/export/{kind}")
    assert (answer.status_code, answer.json()["code"]) == (404, "no-such-post")


async def opened(house: House, post: object) -> dict[str, bytes]:
    answer = await house.client.get(f"/api/posts/{post}/export/all")
    assert answer.status_code == 200, answer.text
    with ZipFile(io.BytesIO(answer.content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


async def test_the_zip_holds_every_event_of_the_post_in_order_and_no_other(house: House) -> None:
    await house.posted(topic="Another")
    post = await illustrated(house)
    line = Progressed(
        post_id=post, at=house.at[0], stage=Stage.READY, run=1, message="Ünï", level="debug"
    )
    await house.events.say(house.ref(post), line)
    await house.posted(topic="A third")
    told = [json.loads(each) for each in (await opened(house, post))["events.jsonl"].splitlines()]
    mine = [each for each in house.events.messages if each.ref and each.ref.id == post]
    assert [each["seq"] for each in told] == [each.seq for each in mine]
    assert [each["subject"] for each in told] == [each.subject for each in mine]
    assert told[0]["type"] == "post-created"
    assert told[-1]["data"]["message"] == "Ünï"
    assert all(each["at"] == "2026-01-01T12:00:00+00:00" for each in told)


async def test_the_zip_holds_the_post_as_it_is_read(house: House) -> None:
    post = await illustrated(house)
    kept: dict[str, Any] = json.loads((await opened(house, post))["post.json"])
    assert kept == (await house.client.get(f"/api/posts/{post}")).json()


async def test_only_what_happens_to_the_post_changes_its_archive(house: House) -> None:
    post = await illustrated(house)
    url = f"/api/posts/{post}/export/all"
    before = (await house.client.get(url)).content
    await house.posted(topic="Another")
    house.later(hours=1)
    assert (await house.client.get(url)).content == before
    await house.client.post(f"/api/posts/{post}/rerun/ready")
    await house.complete(post, *ORDER[5:])
    assert (await house.client.get(url)).content != before
