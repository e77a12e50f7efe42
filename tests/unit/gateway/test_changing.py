"""A change of a post: what is named changes, once, all of it or nothing."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from services.gateway.posts.gathering import Gathering, Writer
from services.gateway.posts.patch import PostPatch
from shared.domain.events import ContentEdited, PostConfigured, StageRequested
from shared.domain.values import ORDER, Stage
from tests.unit.gateway.test_bad_input import clear

if TYPE_CHECKING:
    from uuid import UUID

    import httpx

    from tests.unit.gateway.conftest import House

RETRY = "edit-and-retry"
NOBODY = "33333333-3333-4333-8333-333333333333"


@pytest.fixture
def house(house: House) -> House:
    """Changes are held for a moment only, so that tests are quick."""
    house.gateway.gathering.first_s = 0.02
    house.gateway.gathering.window_s = 0.3
    return house


async def changed(house: House, post: UUID, by: str = "local", **body: Any) -> httpx.Response:
    return await house.client.patch(f"/api/posts/{post}", json=body, headers=house.key(by))


async def facts(house: House, post: UUID, kind: type) -> list[Any]:
    history = await house.events.read(house.ref(post))
    return [fact for _, fact in history.flow if isinstance(fact, kind)]


async def test_what_is_named_changes_and_nothing_else(house: House) -> None:
    post = await house.posted(niche="dogs", tone="dry")
    answer = await changed(house, post, topic=" New topic ", word_count=900)
    told = answer.json()
    assert answer.status_code == 200
    assert (told["topic"], told["word_count"]) == ("New topic", 900)
    assert (told["niche"], told["tone"], told["slug"]) == ("dogs", "dry", "a-topic")
    assert answer.headers["etag"] == f'"{told["version"]}"'
    assert answer.headers["galley-sequence"] == str(told["seq"])


async def test_null_is_the_default(house: House) -> None:
    post = await house.posted(
        niche="dogs", tone="dry", word_count=900, related_keywords=["a"],
        stage_settings={"edit": "review"},
    )  # fmt: skip
    body: dict[str, Any] = dict.fromkeys(
        ("niche", "tone", "word_count", "related_keywords", "stage_settings")
    )
    told = (await changed(house, post, **body)).json()
    assert (told["niche"], told["tone"]) == ("", "Conversational and friendly")
    assert (told["word_count"], told["related_keywords"]) == (2000, [])
    assert set(told["stage_settings"].values()) == {"auto"}


async def test_one_gate_changes_alone(house: House) -> None:
    post = await house.posted(stage_settings={"outline": "review", "edit": "approve_only"})
    gates = {"outline": None, "write": "review"}
    told = (await changed(house, post, stage_settings=gates)).json()
    assert told["stage_settings"] == dict.fromkeys(ORDER, "auto") | {
        "write": "review",
        "edit": "approve_only",
    }


async def test_the_terms_of_gates_change_for_the_review_that_is_open_too(house: House) -> None:
    post = await house.posted(stage_settings={"research": "review"})
    await house.complete(post, Stage.RESEARCH)
    opened = house.at[0]
    house.later(hours=1)
    told = (await changed(house, post, gate_deadline_s=7200, gate_outcome="approve")).json()
    assert (told["gate_deadline_s"], told["gate_outcome"]) == (7200, "approve")
    due = opened + timedelta(hours=2)
    assert datetime.fromisoformat(told["review"]["deadline"]) == due
    assert told["review"]["outcome"] == "approve"
    told = (await changed(house, post, gate_deadline_s=None, gate_outcome=None)).json()
    assert (told["gate_deadline_s"], told["gate_outcome"]) == (None, "cancel")
    assert (told["review"]["deadline"], told["review"]["outcome"]) == (None, None)


async def test_two_people_who_change_one_term_each_both_do(house: House) -> None:
    post = await house.posted()
    await asyncio.gather(
        changed(house, post, gate_deadline_s=60), changed(house, post, gate_outcome="approve")
    )
    told = (await house.client.get(f"/api/posts/{post}")).json()
    assert (told["gate_deadline_s"], told["gate_outcome"]) == (60, "approve")


async def test_every_text_is_edited_by_its_own_name(house: House) -> None:
    post = await house.posted()
    await house.finish(post)
    names = ("research", "outline", "draft", "final_md", "ready")
    body = {f"{name}_content": f"# New {name}" for name in names}
    told = (await changed(house, post, by="mia", **body)).json()
    assert {name: told[name] for name in body} == body
    edits = await facts(house, post, ContentEdited)
    assert [edit.actor for edit in edits] == ["mia"] * 5


async def test_an_edit_makes_what_follows_stale(house: House) -> None:
    post = await house.posted()
    await house.finish(post)
    told = (await changed(house, post, outline_content="# Other")).json()
    assert told["stale"] == ["write", "edit", "images", "ready"]


async def test_fields_gates_and_texts_are_one_append(house: House) -> None:
    post = await house.posted()
    await house.complete(post, Stage.RESEARCH)
    body: dict[str, Any] = {"niche": "x", "stage_settings": {"edit": "review"}}
    await changed(house, post, **body, research_content="# New")
    configured, edited = house.events.messages[-2:]
    assert isinstance(configured.fact, PostConfigured)
    assert isinstance(edited.fact, ContentEdited)
    assert configured.fact.command is not None
    assert configured.fact.command.facts == 2


async def test_a_text_that_may_not_be_edited_forbids_the_whole_change(house: House) -> None:
    post = await house.posted(stage_settings={"research": "approve_only"})
    await house.complete(post, Stage.RESEARCH)
    answer = await changed(house, post, niche="cats", research_content="# Mine")
    clear(answer, 409)
    assert answer.json()["code"] == "gate-forbids-edit"
    assert await facts(house, post, PostConfigured) == []


async def test_a_text_that_is_being_written_or_was_never_made_is_not_edited(house: House) -> None:
    post = await house.posted()
    clear(await changed(house, post, research_content="# Mine"), 409)
    clear(await changed(house, post, ready_content="# Mine"), 409)


async def test_a_change_that_changes_nothing_stores_nothing(house: House) -> None:
    post = await house.posted(niche="dogs")
    before = len(house.events.messages)
    answers = [await changed(house, post), await changed(house, post, niche="dogs")]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert len(house.events.messages) == before


@pytest.mark.parametrize(
    "body",
    [
        {"slug": "other"},
        {"profile_id": None},
        {"image_manifest": "{}"},
        {"topic": None},
        {"topic": " "},
        {"topic": "nul\x00"},
        {"word_count": 10**9},
        {"word_count": "900"},
        {"research_content": None},
        {"research_content": ""},
        {"research_content": " \n "},
        {"ready_content": "nul\x00"},
        {"stage_settings": {"outline": "sometimes"}},
        {"stage_settings": {"publish": "auto"}},
        {"stage_settings": []},
        {"output_format": "pdf"},
        {"gate_deadline_s": 0},
        {"gate_deadline_s": "60"},
        {"gate_deadline_s": 10**9},
        {"gate_outcome": "explode"},
        {"actor": "mia"},
        {"execution_logs": []},
        [],
    ],
    ids=lambda body: str(body)[:40],
)
async def test_a_change_that_is_none_is_refused_by_name(house: House, body: Any) -> None:
    post = await house.posted()
    answer = await house.client.patch(f"/api/posts/{post}", json=body)
    clear(answer, 422)
    for name in body:
        assert any(name in error["field"] for error in answer.json()["errors"])


async def test_a_text_too_large_for_the_log_is_refused(house: House) -> None:
    post = await house.posted()
    await house.complete(post, Stage.RESEARCH)
    clear(await changed(house, post, research_content="ü" * 300_000), 413)


async def test_who_is_not_there_is_not_changed(house: House) -> None:
    clear(await house.client.patch(f"/api/posts/{NOBODY}", json={"niche": "x"}), 404)
    clear(await house.client.patch(f"/api/posts/{NOBODY}", json={}), 404)
    clear(await house.client.patch("/api/posts/nonsense", json={"niche": "x"}), 422)


async def test_the_same_key_changes_once_and_answers_again(house: House) -> None:
    post = await house.posted()
    url, headers = f"/api/posts/{post}", {"Idempotency-Key": "k"}
    first = await house.client.patch(url, json={"niche": "one"}, headers=headers)
    await changed(house, post, niche="two")
    again = await house.client.patch(url, json={"niche": "one"}, headers=headers)
    assert (first.status_code, again.status_code) == (200, 200)
    assert again.json()["niche"] == "two"
    clear(await house.client.patch(url, json={"niche": "three"}, headers=headers), 422)


async def test_a_stale_version_changes_nothing(house: House) -> None:
    post = await house.posted()
    url = f"/api/posts/{post}"
    seen = (await house.client.get(url)).headers["etag"]
    headers = {"If-Match": seen}
    assert (await house.client.patch(url, json={"niche": "a"}, headers=headers)).status_code == 200
    answer = await house.client.patch(url, json={"niche": "b"}, headers=headers)
    clear(answer, 409)
    assert answer.json()["version"] == int(seen.strip('"')) + 1
    assert (await house.client.get(url)).json()["niche"] == "a"


async def test_two_versions_at_once_leave_one_change(house: House) -> None:
    post = await house.posted()
    url = f"/api/posts/{post}"
    headers = {"If-Match": (await house.client.get(url)).headers["etag"]}
    answers = await asyncio.gather(
        *(house.client.patch(url, json={"niche": f"n{n}"}, headers=headers) for n in range(5))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409]


# --- neighbours are merged --------------------------------------------------------------------


async def test_changes_of_one_field_at_once_are_one_fact_and_all_are_told_of_it(
    house: House,
) -> None:
    post = await house.posted()
    answers = await asyncio.gather(*(changed(house, post, niche=f"n{n}") for n in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["niche"] for answer in answers} == {"n7"}
    [fact] = await facts(house, post, PostConfigured)
    assert fact.config.niche == "n7"


async def test_changes_within_the_window_after_a_fact_are_one_more_fact(house: House) -> None:
    post = await house.posted()
    await changed(house, post, niche="first")
    answers = await asyncio.gather(*(changed(house, post, niche=f"n{n}") for n in range(5)))
    assert {answer.json()["niche"] for answer in answers} == {"n4"}
    assert len(await facts(house, post, PostConfigured)) == 2


async def test_different_fields_actors_and_posts_are_not_merged(house: House) -> None:
    post, other = await house.posted(), await house.posted()
    await asyncio.gather(
        changed(house, post, niche="a"),
        changed(house, post, tone="b"),
        changed(house, post, niche="c", by="mia"),
        changed(house, other, niche="d"),
    )
    told = (await house.client.get(f"/api/posts/{post}")).json()
    assert told["tone"] == "b"
    assert len(await facts(house, post, PostConfigured)) == 3
    assert len(await facts(house, other, PostConfigured)) == 1


async def test_gates_of_different_stages_are_all_kept(house: House) -> None:
    post = await house.posted()
    await asyncio.gather(
        *(changed(house, post, stage_settings={stage: "review"}) for stage in ORDER)
    )
    told = (await house.client.get(f"/api/posts/{post}")).json()
    assert told["stage_settings"] == dict.fromkeys(ORDER, "review")


async def test_a_held_change_blocks_nothing_else(house: House) -> None:
    house.gateway.gathering.first_s = 3600
    post = await house.posted()
    held = asyncio.create_task(changed(house, post, niche="x"))
    answer = await house.client.post(f"/api/posts/{post}/pause")
    assert answer.status_code == 200
    assert not held.done()
    held.cancel()


async def test_a_change_is_written_though_its_client_has_left(house: House) -> None:
    post = await house.posted()
    leaving = asyncio.create_task(changed(house, post, niche="kept"))
    staying = asyncio.create_task(changed(house, post, niche="kept"))
    await asyncio.sleep(0)
    while not house.gateway.gathering.waiting:
        await asyncio.sleep(0)
    leaving.cancel()
    assert (await staying).json()["niche"] == "kept"


async def test_a_refused_change_is_refused_for_all_who_asked(house: House) -> None:
    post = await house.posted(stage_settings={"research": "approve_only"})
    await house.complete(post, Stage.RESEARCH)
    answers = await asyncio.gather(
        *(changed(house, post, research_content=f"# {n}") for n in range(3))
    )
    assert [answer.status_code for answer in answers] == [409, 409, 409]


async def test_a_change_after_a_refusal_is_not_held_longer() -> None:
    gathering, calls = Gathering(first_s=0.0, window_s=3600), 0
    ref: Any = object()
    writer = Writer(ref, "local", frozenset({"niche"}))

    async def refuse(_patch: PostPatch) -> Any:
        nonlocal calls
        calls += 1
        raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            await gathering.change(writer, PostPatch(niche="x"), refuse)
    assert calls == 2
    assert not gathering.waiting


# --- models -----------------------------------------------------------------------------------


def another(house: House, stage: Stage) -> str:
    """A model that is legal for the stage and not the one it is pinned to."""
    choices = house.gateway.choices[stage]
    return next(name for name in choices.models if name != choices.default.model)


async def stuck(house: House) -> UUID:
    """A post whose outline failed for good."""
    post = await house.posted()
    await house.complete(post, Stage.RESEARCH)
    await house.fail(post, Stage.OUTLINE)
    return post


async def test_a_failed_post_is_run_again_on_the_model_it_was_changed_to(house: House) -> None:
    post, model = await stuck(house), another(house, Stage.OUTLINE)
    before = (await house.client.get(f"/api/posts/{post}")).json()["stage_models"]
    answer = await changed(house, post, stage_models={"outline": {"model": model}})
    told = answer.json()["stage_models"]
    assert told == before | {"outline": before["outline"] | {"model": model}}
    assert (await house.client.post(f"/api/posts/{post}/run")).status_code == 202
    _, first, again = await facts(house, post, StageRequested)
    assert (first.models.model, again.models.model) == (before["outline"]["model"], model)


async def test_what_is_not_said_of_a_stage_is_what_a_new_post_would_get(house: House) -> None:
    post, model = await house.posted(), another(house, Stage.WRITE)
    said = {"write": {"model": model, "effort": "low"}, "edit": {"effort": "low"}}
    await house.client.patch("/api/settings", json={"stage_models": {"write": {"effort": "high"}}})
    first = (await changed(house, post, stage_models=said)).json()["stage_models"]
    assert (first["write"]["model"], first["write"]["effort"]) == (model, "low")
    write = (await changed(house, post, stage_models={"write": {}})).json()["stage_models"]
    default = house.gateway.choices[Stage.WRITE].default.model
    assert (write["write"]["model"], write["write"]["effort"]) == (default, "high")
    assert write["edit"] == first["edit"]
    back = (await changed(house, post, stage_models=None)).json()["stage_models"]
    assert back["edit"]["effort"] == house.gateway.choices[Stage.EDIT].default.effort


async def test_changes_of_models_that_follow_closely_are_one_fact(house: House) -> None:
    post, model = await house.posted(), another(house, Stage.EDIT)
    efforts = [changed(house, post, stage_models={"edit": {"effort": e}}) for e in ("low", "high")]
    last = changed(house, post, stage_models={"edit": {"model": model}})
    answers = await asyncio.gather(*efforts, last)
    assert {answer.json()["stage_models"]["edit"]["model"] for answer in answers} == {model}
    assert len(await facts(house, post, PostConfigured)) == 1


@pytest.mark.parametrize("method", ["PATCH", "POST"])
@pytest.mark.parametrize(
    "said",
    [
        {"write": {"model": "S3CRET"}},
        {"research": {"model": "claude-opus-5-5"}},
        {"write": {"image_model": "gemini-3.1-flash-image"}},
        {"write": {"effort": "S3CRET"}},
        {"cooking": {"effort": "low"}},
        {"write": {"provider": "gemini"}},
        {"write": None},
        {"write": "S3CRET"},
        [],
    ],
)
async def test_a_model_that_a_stage_cannot_call_is_refused(
    house: House, method: str, said: object
) -> None:
    post = await stuck(house)
    stored, body = len(house.events.messages), {"stage_models": said}
    url = f"/api/posts/{post}" if method == "PATCH" else f"/api/queue/dead-letter/{post}/{RETRY}"
    clear(await house.client.request(method, url, json=body), 422)
    assert len(house.events.messages) == stored


async def test_a_model_is_changed_and_tried_at_once_from_the_dead_letter(house: House) -> None:
    post, model = await stuck(house), another(house, Stage.OUTLINE)
    url = f"/api/queue/dead-letter/{post}/{RETRY}"
    answer = await house.client.post(url, json={"stage_models": {"outline": {"model": model}}})
    assert answer.status_code == 202
    assert (await facts(house, post, StageRequested))[-1].models.model == model
