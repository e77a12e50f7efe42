"""An article in figures: whole words, its own title, and links told apart by where they lead."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.content.insight import insight
from shared.domain.values import PostConfig

ORDER = PostConfig(
    topic="A topic", slug="a", website_url="https://www.mine.example", related_keywords=("cat",)
)


@pytest.mark.parametrize("text", ["# The category", "# Concatenate", "# Dogs"])
def test_a_keyword_within_another_word_is_none(text: str) -> None:
    found = insight(text, ORDER)
    assert found.densities == {"cat": 0.0}
    assert found.seo.keyword_in_title is False


def test_the_topic_is_not_taken_for_the_title() -> None:
    order = ORDER.model_copy(update={"topic": "A cat"})
    assert insight("# A dog\n\nText.", order).seo.keyword_in_title is False


def test_a_phrase_counts_with_all_its_words() -> None:
    order = ORDER.model_copy(update={"related_keywords": ("cat food", "cat food ", " ")})
    assert insight("Cat food, cat-food and food.", order).densities == {"cat food": 60.0}


def test_the_title_is_not_the_first_hundred_words() -> None:
    text = "# A cat\n\n" + "word " * 100 + "cat"
    assert insight(text, ORDER).seo.keyword_in_first_100_words is False
    assert insight("# A cat\n\n" + "word " * 99 + "cat", ORDER).seo.keyword_in_first_100_words


def test_without_a_keyword_nothing_is_said_about_one() -> None:
    seo = insight("# A", ORDER.model_copy(update={"related_keywords": ()})).seo
    assert (seo.keyword_in_title, seo.keyword_in_first_100_words, seo.keyword_in_h2) == (
        None,
        None,
        None,
    )


@pytest.mark.parametrize(
    ("url", "inside", "outside"),
    [
        ("https://mine.example/a", 1, 0),
        ("http://www.mine.example", 1, 0),
        ("//mine.example/a", 1, 0),
        ("/about", 1, 0),
        ("about", 1, 0),
        ("../about#top", 1, 0),
        ("https://other.example", 0, 1),
        ("https://notmine.example", 0, 1),
        ("https://mine.example.evil.example", 0, 1),
        ("//other.example/a", 0, 1),
        ("#top", 0, 0),
        ("?page=2", 0, 0),
        ("mailto:a@mine.example", 0, 0),
        ("javascript:alert(1)", 0, 0),
        ("https://", 0, 0),
    ],
)
def test_links_are_told_apart_by_where_they_lead(url: str, inside: int, outside: int) -> None:
    seo = insight(f"[words]({url})", ORDER).seo
    assert (seo.internal_link_count, seo.external_link_count) == (inside, outside)
    assert (seo.has_internal_links, seo.has_external_links) == (bool(inside), bool(outside))


def test_a_picture_is_no_link() -> None:
    assert insight("![A cat](https://other.example/cat.png)", ORDER).seo.external_link_count == 0


def test_an_article_without_a_site_has_only_relative_links_of_its_own() -> None:
    order = ORDER.model_copy(update={"website_url": ""})
    seo = insight("[a](/a) [b](https://mine.example/b)", order).seo
    assert (seo.internal_link_count, seo.external_link_count) == (1, 1)


@given(st.text(max_size=300))
@settings(max_examples=60, deadline=None, database=None)
def test_any_text_has_figures(text: str) -> None:
    found = insight(text, ORDER)
    assert found.measured.word_count >= 0
    assert all(0 <= share <= 100 for share in found.densities.values())
