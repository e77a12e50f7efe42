"""An article in figures, from its newest text, with the read model away."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.domain.values import Stage

if TYPE_CHECKING:
    from uuid import UUID

    from tests.unit.gateway.conftest import House

NOBODY = "33333333-3333-4333-8333-333333333333"
DRAFT = "# A draft\n\nOne cat sat. Another cat ran."
READY = """---
title: "Cats at home"
description: "What every home with a cat should know."
---

A cat sleeps. See [food](/food) and [the vet](https://vet.example/cats).

## Cats and dogs

They categorically differ."""


async def written(house: House, text: str, *stages: Stage) -> UUID:
    post = await house.posted(related_keywords=["cat"])
    await house.complete(post, Stage.RESEARCH, Stage.OUTLINE)
    await house.complete(post, *stages, output=text)
    return post


async def measured(house: House, post: UUID) -> Any:
    answer = await house.client.get(f"/api/posts/{post}/analytics")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_draft_is_measured_as_soon_as_it_is_written(house: House) -> None:
    post = await written(house, DRAFT, Stage.WRITE)
    found = await measured(house, post)
    assert (found["stage"], found["title"]) == ("write", "A draft")
    assert (found["word_count"], found["sentence_count"], found["paragraph_count"]) == (8, 3, 1)
    assert found["keyword_density"] == {"cat": 25.0}
    assert found["seo_checklist"]["has_meta_description"] is False


async def test_the_finished_article_is_measured_by_its_own_title(house: House) -> None:
    stages = (Stage.WRITE, Stage.EDIT, Stage.IMAGES, Stage.READY)
    found = await measured(house, await written(house, READY, *stages))
    assert (found["stage"], found["title"]) == ("ready", "Cats at home")
    assert found["seo_checklist"] == {
        "keyword_in_title": True,
        "keyword_in_first_100_words": True,
        "keyword_in_h2": True,
        "has_h2_headings": True,
        "has_internal_links": True,
        "has_external_links": True,
        "has_meta_description": True,
        "internal_link_count": 1,
        "external_link_count": 1,
    }


async def test_a_post_without_a_draft_has_no_figures(house: House) -> None:
    post = await house.posted()
    answer = await house.client.get(f"/api/posts/{post}/analytics")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")
    unknown = await house.client.get(f"/api/posts/{NOBODY}/analytics")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "no-such-post")
    none = await house.client.get("/api/posts/x/analytics")
    assert (none.status_code, none.json()["code"]) == (422, "invalid")
