"""Our own counts, on texts small enough to count by hand, and the checklist built on them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.content.article import titled, without_labels, without_notes, without_rules
from shared.content.checklist import known_pages, report, review
from shared.content.endings import is_cut_off
from shared.content.markdown import bare_headings
from shared.content.measure import density, measure, mentions, prose_of
from shared.content.readability import flesch
from shared.content.unwrap import Document, unwrap
from shared.domain.values import PostConfig, Source

TEXT = """# The Cat Sat

Cats sit — often. See [a page](https://a.example) now! Is 3.5 enough?

## Where cats sit

![mat](media/m.webp)

- On mats.
- On you

---

```python
code — here
```

[Insert link] ends it.
"""


def test_everything_a_reader_reads_is_counted_and_nothing_else():
    figures = measure(TEXT)
    assert figures.title == "The Cat Sat"
    assert figures.sections == ("Where cats sit",)
    assert figures.word_count == 24
    assert figures.sentences == 8
    assert (figures.em_dashes, figures.rules, figures.images) == (1, 1, 1)
    assert figures.urls == ("https://a.example",)
    assert figures.placeholders == ("[Insert link]",)


@pytest.mark.parametrize("markdown", ["", "\n", "---", "```\nonly code\n```", "![x](y)"])
def test_a_text_without_words_has_figures_of_zero(markdown):
    figures = measure(markdown)
    assert (figures.word_count, figures.sentences, figures.average_sentence) == (0, 0, 0.0)
    assert flesch(figures.words, figures.sentences) is None


def test_a_keyword_is_counted_as_whole_words_only():
    assert mentions("The category of cats. A cat.", "cat") == 2
    assert mentions("Small-business CRM, small business crms", "small business CRM") == 2
    assert mentions("anything", "  ") == 0
    assert mentions("a.b (c)", "a.b (c") == 1


def test_density_is_the_share_of_all_words():
    figures = measure("puppy training and ten more words that fill up the line")
    assert density(figures, prose_of("puppy training"), "puppy training") == pytest.approx(18.18)


def test_easy_prose_scores_higher_than_hard_prose():
    easy, hard = (
        measure("The dog ran home. He ate. He slept."),
        measure(
            "Institutional considerations necessitate comprehensive reorganisation of "
            "administrative responsibilities notwithstanding contemporaneous international "
            "complications."
        ),
    )
    easy_score, hard_score = (flesch(each.words, each.sentences) for each in (easy, hard))
    assert easy_score is not None
    assert hard_score is not None
    assert easy_score > 90 > 0 > hard_score


def test_the_formula_says_nothing_about_other_scripts():
    figures = measure("狗が好きです。猫も。")
    assert figures.word_count > 5
    assert figures.sentences == 2
    assert flesch(measure("Собака бежит домой.").words, 1) is None


@pytest.mark.parametrize(
    ("body", "article"),
    [
        ("# Own\n\nText.", "# Own\n\nText.\n"),
        ("Text.\n\n## A\n\nB.", "# Front\n\nText.\n\n## A\n\nB.\n"),
        ("# Own\n\n## Own\n\nText.\n\n# Two\n\nC.", "# Own\n\nText.\n\n## Two\n\nC.\n"),
        ("Own\n===\n\nText.\n\nTwo\n===\n\nC.", "# Own\n\nText.\n\nTwo\n---\n\nC.\n"),
        ("Lead.\n\n# Own\n\nText.", "# Own\n\nLead.\n\n\nText.\n"),
        ("## A\n\nB.\n\n# C\n\nD.", "# Front\n\n## A\n\nB.\n\n## C\n\nD.\n"),
        ("# **Blog Post Outline: Own**\n\nText.", "# Own\n\nText.\n"),
        ("```\n# code\n```\n\nText.", "# Front\n\n```\n# code\n```\n\nText.\n"),
    ],
)
def test_an_article_has_exactly_one_title_and_it_comes_first(body, article):
    assert titled(Document(body, {"title": "Front"}), "Other") == article


def test_a_title_is_found_even_where_nobody_gave_one():
    assert titled(Document("Text."), "", " ", "Topic\nof two lines").startswith("# Topic of two")
    assert titled(Document("Text.")).startswith("# Untitled\n")


@given(st.lists(st.sampled_from(["# A", "## B", "Text.", "T\n===", "```\n# c\n```", "- # x"])))
def test_whatever_the_headings_there_is_one_title(parts):
    article = titled(unwrap("\n\n".join(parts)), "Topic")
    tops = [heading for heading in measure(article).headings if heading.level == 1]
    assert len(tops) == 1
    assert tops[0].start == 0


def test_rules_labels_and_picture_notes_come_out_and_are_counted():
    assert without_rules("A.\n\n---\n\nB\n---\n\n```\n---\n```\n\n***") == (
        "A.\n\nB\n---\n\n```\n---\n```\n",
        2,
    )
    assert without_labels("## H2: Costs\n\n### **H3 - Fees**").startswith("## Costs\n")
    text, notes = without_notes(
        "A.\n\n[IMAGE: a dog | illustration]\n\n- [Chart showing x]\n\nB [image](c)."
    )
    assert (text, notes) == ("A.\n\nB [image](c).", 2)


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("# T\n\nIt ends.", False),
        ("# T\n\nIt ends with **bold.**", False),
        ("# T\n\n- a list", False),
        ("# T\n\nIt stops in the mid", True),
        ("# T\n\nIt stops,", True),
        ("# T\n\n## And then", True),
        ("", True),
    ],
)
def test_a_text_that_stops_half_way_is_noticed(text, cut):
    assert is_cut_off(text) is cut


CONFIG = PostConfig(
    topic="Puppies",
    slug="puppies",
    word_count=32,
    related_keywords=("puppy training", "crate"),
    avoid="very, Do not ever mention cats in any context, synergy",
    website_url="shop.example",
    additional_info="See https://named.example/page.",
)
SOURCES = (Source(number=1, url="https://s.example/1"), Source(number=2, url="https://s.example/2"))


def failed(markdown: str) -> set[str]:
    return {check.name for check in review(markdown, CONFIG, SOURCES).failed}


def test_a_good_article_passes_every_check():
    good = (
        "# Puppy Training\n\nPuppy training is fun. Start with [the crate](https://s.example/1).\n\n"
        "## Why puppy training works\n\nDogs like food. It is [known](https://s.example/2).\n\n"
        "## How\n\nGive a treat. Say [yes](https://named.example/page).\n\n## When\n\n"
        "Each day. Keep it [short](https://shop.example/)."
    )
    assert failed(good) == set()


def test_each_fault_of_a_bad_article_is_named():
    bad = (
        "Synergy — of [x](https://z.example) and TODO.\n\n---\n\n"
        + "very extraordinary " * 40
        + "\n\n### Bare"
    )
    assert failed(bad) == {
        "keyword in the title",
        "keyword in the first 100 words",
        "keyword in an H2",
        "a title",
        "three sections or more",
        "length",
        "sentence length",
        "no em dashes",
        "no rules between sections",
        "no placeholders",
        "no empty sections",
        "no words to avoid",
        "links to sources",
        "only known links",
        "readability",
    }


def test_the_report_lists_verdicts_and_what_to_do():
    text = report(review("# T\n\nText.", CONFIG, SOURCES))
    assert "FAIL keyword in the title" in text
    assert "PASS no em dashes" in text
    assert "1. work 'puppy training' into the title" in text
    assert "Density of 'crate': 0.0 %" in text


def test_a_path_on_the_own_site_that_nobody_named_is_not_known():
    known = known_pages(CONFIG, SOURCES)
    assert known == {"s.example/1", "s.example/2", "named.example/page", "shop.example"}


def test_only_a_heading_with_nothing_at_all_under_it_is_bare():
    text = "# T\n\n## A\n\n### B\n\nText.\n\n### C\n\n## D\n\n```\ncode\n```\n\n## E\n"
    assert bare_headings(text) == ("C", "E")
    assert bare_headings("") == bare_headings("Text.") == ()
