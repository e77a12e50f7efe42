"""What models wrap around a document comes off; a document without wrapping is left as it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.content.unwrap import unwrap

ARTICLE = """# Sourdough for Beginners

A starter needs a week before it lifts a loaf. Here is how to get there.

## Feed it daily

Weigh the flour. Say you feed twice a day:

```python
# not a heading
feed(grams=50)
```

<details>

- one
- two

## Bake it hot

Heat the pot first.

```
plain block
```

Let it cool for an hour before you cut it."""


def wrapped(before: str = "", after: str = "", document: str = ARTICLE) -> str:
    return f"{before}{document}{after}"


@pytest.mark.parametrize("tag", ["markdown", "md", "mdx", "", "text", "Markdown title=x"])
@pytest.mark.parametrize("fence", ["```", "````", "~~~"])
def test_a_fence_around_the_document_comes_off_whatever_its_tag(tag, fence):
    assert unwrap(f"{fence}{tag}\n{ARTICLE}\n{fence}").body == ARTICLE


def test_a_fence_of_a_programming_language_around_all_comes_off():
    assert unwrap(f"```yaml\n{ARTICLE}\n```").body == ARTICLE


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Here is the finished article:\n\n```markdown\n", "\n```"),
        ("```markdown\n", "\n```\n\nI kept the outline's order and cut two sentences."),
        ("Sure! Here's the research document you asked for.\n```md\n", "\n```\nAnything else?"),
        ("I'll write the file now.\n\n<file_write file='draft.md'>\n", "\n</file_write>\n\nSaved."),
        ("<write_file>\n<path>out.md</path>\n<content>\n", "\n</content>\n</write_file>"),
        (
            '<invoke name="w">\n<parameter name="path">a</parameter>\n<parameter name="x">',
            "</parameter>\n</invoke>",
        ),
        ("<document>\n```markdown\n", "\n```\n</document>"),
        ("<file_write file='draft.md'>\n", ""),
        ("Here is the edited article:\n\n---\n\n", ""),
        ("Certainly! Below is the article.\n\n", ""),
        ("", "\n\n<!-- PUBLISHING NOTES\n## Words\n1,800 -->"),
        ("```markdown\n", "\n\n<!--\nnotes\n-->\n```"),
        ("", "\n\n---\n\nI've edited the article for clarity and removed all em dashes."),
        ("", "\n\nLet me know if you want me to adjust any section!"),
        ("", "\n\n**Word count:** about 1,790 words"),
        ("", "\n\nChanges made:\n\n- shorter sentences\n- two links"),
        ("\ufeff\r\n", "\r\n\x00"),
    ],
)
def test_chatter_wrappers_and_notes_come_off(before, after):
    assert unwrap(wrapped(before, after)).body == ARTICLE


def test_an_article_without_wrapping_is_not_changed_at_all():
    assert unwrap(ARTICLE).body == ARTICLE


@pytest.mark.parametrize(
    "document",
    [
        "Sure, you could buy a bed. But dogs prefer the sofa.\n\n## Why\n\nIt smells of you.",
        "I have written about dogs for years.\n\n## One\n\nText.\n\n## Two\n\nNote: ask a vet.",
        "# Title\n\nText.\n\n---\n\nThis article is general advice. Let me know how it went!",
        "Intro.\n\n```markdown\n# An example of a heading\n```\n\n## Section\n\nMore words.",
        "```markdown\n# How a heading looks\n```\n\n# The article\n\nWords follow here.",
        "# Title\n\nUse `<!--` to hide text.\n\n```html\n<!-- kept -->\n```\n\nEnd.",
        "# Title\n\nA `</file_write>` in the text.",
        "Here is the thing about puppies: they bite.\n\n## Teeth\n\nSharp.",
        "---\n\nText after a mere rule.\n\n---\n\nMore.",
    ],
)
def test_what_merely_looks_like_wrapping_stays(document):
    assert unwrap(document).body == document


def test_code_blocks_inside_a_wrapped_article_survive():
    body = unwrap(f"```markdown\n{ARTICLE}\n```").body
    assert body.count("```") == 4
    assert "plain block" in body
    assert body.endswith("before you cut it.")


def test_a_remark_with_a_code_block_after_the_fence_goes_with_the_remark():
    document = "# Title\n\nText.\n\n```python\nx = 1\n```\n\nEnd."
    answer = f"```markdown\n{document}\n```\n\nTo build:\n\n```bash\nmake\n```"
    assert unwrap(answer).body == document


def test_front_matter_is_split_off_and_kept_aside():
    document = unwrap(f'```markdown\n---\ntitle: "A: b"\nauthor: ""\n---\n\n{ARTICLE}\n```')
    assert document.body == ARTICLE
    assert document.field("title") == "A: b"
    assert document.field("missing") == ""


def test_a_comment_in_the_middle_goes_and_its_neighbours_stay():
    assert (
        unwrap("# T\n\nOne.\n\n<!-- x\ny --> Two.\n\nThree.").body
        == "# T\n\nOne.\n\nTwo.\n\nThree."
    )


@pytest.mark.parametrize("answer", ["", "   \n\t\n", "\x00", "```markdown\n```", "<!-- all -->"])
def test_an_answer_without_a_document_is_empty_or_itself(answer):
    assert len(unwrap(answer).body) <= len(answer)


@pytest.mark.parametrize("layers", [1, 7, 8, 9, 30])
def test_an_answer_of_absurdly_many_layers_is_left_as_it_is(layers):
    answer = "<content>\n" * layers + "Text." + "\n</content>" * layers
    once = unwrap(answer).body
    assert once == ("Text." if layers < 8 else answer)
    assert unwrap(once).body == once


pieces = st.sampled_from(
    [
        "```",
        "```markdown",
        "~~~",
        "````",
        "---",
        "title: x",
        "# A",
        "## B",
        "words here.",
        "",
        "<file_write file='a'>",
        "</file_write>",
        "<content>",
        "</content>",
        "<!--",
        "-->",
        "Here is the article:",
        "Let me know if you want changes to the draft",
        "- item",
        "    x",
    ]
)


@given(st.lists(st.one_of(pieces, st.text(max_size=12)), max_size=25).map("\n".join))
def test_unwrapping_twice_is_unwrapping_once(answer):
    once = unwrap(answer).body
    assert unwrap(once).body == once


blocks = st.sampled_from(
    [
        "Plain words, and more of them.",
        "- one\n- two",
        "> quoted",
        "```sh\nrun it\n```",
        "```\nbare\n```",
        "## A section",
        "### A part",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "1. first\n2. second",
        "**Bold** and `code`.",
        "![alt](media/a.webp)",
    ]
)


@given(st.lists(blocks, min_size=1, max_size=20))
def test_an_honest_article_is_never_damaged(parts):
    article = "\n\n".join(["# A Title", "It begins.", *parts])
    assert unwrap(article).body == article


@given(st.lists(blocks, max_size=12))
def test_an_honest_article_in_a_fence_comes_out_whole(parts):
    article = "\n\n".join(["# A Title", "It begins.", *parts, "## Last", "It ends."])
    assert unwrap(f"Here is the article:\n\n```markdown\n{article}\n```").body == article


@pytest.mark.parametrize(
    "hostile",
    [
        "```\n" * 250_000,
        "````markdown\n```\n" * 60_000,
        "<content>\n" * 100_000,
        "<content" * 120_000,
        "<!-- \n" * 150_000,
        "-->\n" + "<!-- \n" * 150_000,
        "<!-- -->\n" * 100_000,
        "---\na: b\n---\n" * 70_000,
        "Here is the article:\n\n" * 40_000,
        "\n\nI've written the draft" * 40_000,
        "# " * 500_000,
        "a" * 1_000_000,
        "\n\n---\n\n" * 140_000,
    ],
    ids=lambda text: repr(text[:14]),
)
@pytest.mark.timeout(30)
def test_a_megabyte_of_malice_is_read_in_linear_time(hostile):
    assert len(unwrap(hostile).body) <= len(hostile)
