"""Settings: validated key by key, in force for every post to come."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from services.gateway.documents.settings_api import in_force, webhook
from shared.domain.values import Stage

if TYPE_CHECKING:
    import httpx

    from tests.unit.gateway.conftest import House

KEYS = ["budgets", "concurrency", "stage_models", "stage_settings", "webhook"]
AUTO = dict.fromkeys(Stage, "auto")
URL = "https://example.org/hook"


async def said(house: House, **values: Any) -> dict[str, Any]:
    answer = await house.client.patch("/api/settings", json=values)
    assert answer.status_code == 200, answer.text
    return {each["key"]: each["value"] for each in answer.json()}


async def models_of(house: House) -> dict[str, dict[str, Any]]:
    answer = await house.client.get("/api/settings/stage-models")
    assert answer.status_code == 200, answer.text
    return {each["stage"]: each for each in answer.json()["stages"]}


async def refused(house: House, body: Any) -> httpx.Response:
    before = len(house.events.messages)
    answer = await house.client.patch("/api/settings", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert len(house.events.messages) == before
    return answer


async def test_untouched_settings_show_what_holds(house: House) -> None:
    answer = await house.client.get("/api/settings")
    found = {each["key"]: each for each in answer.json()}
    assert sorted(found) == [each["key"] for each in answer.json()] == KEYS
    assert found["stage_settings"]["value"] == AUTO
    assert found["budgets"]["value"] == {"post_usd": None, "day_usd": None}
    assert found["webhook"]["value"] is None
    assert {(each["version"], each["updated_at"]) for each in found.values()} == {(0, None)}


async def test_each_key_is_changed_by_itself(house: House) -> None:
    first = await said(house, concurrency={"write": 7})
    house.later(hours=1)
    answer = await house.client.patch("/api/settings", json={"budgets": {"day_usd": 5}})
    now = {each["key"]: each for each in answer.json()}
    assert first["concurrency"] == now["concurrency"]["value"] == {"write": 7}
    assert now["budgets"]["value"] == {"post_usd": None, "day_usd": 5}
    assert now["budgets"]["updated_at"] > now["concurrency"]["updated_at"]
    assert answer.headers["etag"] == f'"{now["budgets"]["version"]}"'
    assert (await house.client.get("/api/settings")).json() == answer.json()


async def test_null_takes_a_key_back(house: House) -> None:
    await said(house, concurrency={"write": 7}, webhook={"url": URL})
    now = await said(house, concurrency=None, webhook=None)
    assert (now["concurrency"], now["webhook"]) == ({}, None)


async def test_an_unknown_key_is_refused_with_the_legal_ones(house: House) -> None:
    answer = await refused(house, {"worker_max_jobs": {"value": 3}})
    told = answer.json()["errors"][0]["problem"]
    assert all(key in told for key in KEYS)
    assert "worker_max_jobs" not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        {"stage_settings": {"write": "never"}},
        {"stage_settings": {"publish": "auto"}},
        {"stage_settings": []},
        {"stage_models": {"write": {"model": "S3CRET"}}},
        {"stage_models": {"write": {"model": "sonar"}}},
        {"stage_models": {"write": {"model": ""}}},
        {"stage_models": {"write": {"effort": "extreme"}}},
        {"stage_models": {"write": {"image_model": "gemini-3-pro-image"}}},
        {"stage_models": {"images": {"model": "gemini-3-pro-image"}}},
        {"stage_models": {"images": {"image_model": "claude-opus-5-5"}}},
        {"stage_models": {"research": {"model": "sonar-pro"}}},
        {"stage_models": {"write": {"temperature": 1}}},
        {"stage_models": {"write": "claude-opus-5-5"}},
        {"concurrency": {"write": 0}},
        {"concurrency": {"write": 101}},
        {"concurrency": {"write": "4"}},
        {"concurrency": {"write": 1.5}},
        {"concurrency": {"write": True}},
        {"concurrency": 4},
        {"budgets": {"post_usd": 0}},
        {"budgets": {"post_usd": -1}},
        {"budgets": {"day_usd": 10**9}},
        {"budgets": {"day_usd": "5"}},
        {"budgets": {"week_usd": 5}},
        {"webhook": {"url": ""}},
        {"webhook": {"url": "ftp://example.org"}},
        {"webhook": {"url": "http://example.org/hook"}},
        {"webhook": {"url": "https://me:S3CRET@example.org/hook"}},
        {"webhook": {"url": "https://example.org/\x00"}},
        {"webhook": {"url": URL, "events": ["S3CRET"]}},
        {"webhook": {"url": URL, "events": []}},
        {"webhook": {"url": URL, "events": ["failed", "failed"]}},
        {"webhook": {"url": URL, "secret": "S3CRET"}},
        {"webhook": {"events": ["failed"]}},
        [],
        "stage_settings",
        None,
    ],
)
async def test_a_value_out_of_bounds_is_refused(house: House, body: Any) -> None:
    assert "S3CRET" not in (await refused(house, body)).text


async def test_one_bad_value_refuses_the_whole_change(house: House) -> None:
    await refused(house, {"concurrency": {"write": 7}, "budgets": {"post_usd": -1}})
    await refused(house, {"concurrency": {"write": 7}, "stage_models": {"edit": {"model": "x"}}})


async def test_an_illegal_model_is_refused_with_the_legal_ones(house: House) -> None:
    answer = await refused(house, {"stage_models": {"write": {"model": "gpt-1"}}})
    told = answer.json()["errors"][0]
    assert told["field"] == "body.stage_models.write.model"
    assert "claude-sonnet-5-5" in told["problem"]
    assert "claude-haiku-4-5" in told["problem"]


async def test_every_listed_model_can_be_set(house: House) -> None:
    for stage, told in (await models_of(house)).items():
        for model in told["models"]:
            await said(house, stage_models={stage: {"model": model}})
        for effort in told["efforts"]:
            await said(house, stage_models={stage: {"effort": effort}})
        for drawing in told["image_models"]:
            await said(house, stage_models={stage: {"image_model": drawing}})


async def test_stage_models_tell_where_each_value_comes_from(house: House) -> None:
    await said(
        house, stage_models={"write": {"model": "claude-opus-5-5"}, "edit": {"effort": "low"}}
    )
    told = await models_of(house)
    assert list(told) == list(Stage)
    write, edit, images = told["write"], told["edit"], told["images"]
    assert (write["model"], write["model_source"]) == ("claude-opus-5-5", "global")
    assert (write["effort"], write["effort_source"]) == (None, "default")
    assert (edit["model"], edit["model_source"]) == ("claude-sonnet-5-5", "default")
    assert (edit["effort"], edit["effort_source"]) == ("low", "global")
    assert images["image_model"] in images["image_models"]
    assert told["research"]["models"] == ["perplexity/sonar"]
    assert not write["image_models"]


async def test_a_new_post_is_pinned_to_the_models_in_force(house: House) -> None:
    early = await house.posted()
    chosen = {"model": "claude-opus-5-5", "effort": "high"}
    await said(house, stage_models={"write": chosen})
    late = await house.posted()
    pinned = [(await house.events.read(house.ref(post))).post.models for post in (early, late)]
    assert pinned[0] == house.gateway.models
    assert pinned[1][Stage.WRITE].model_dump(include={"model", "effort"}) == chosen
    assert pinned[1][Stage.WRITE].provider == "claude"
    assert pinned[1][Stage.EDIT] == house.gateway.models[Stage.EDIT]


async def test_six_closed_gates_in_the_settings_keep_a_new_post_waiting(house: House) -> None:
    gates = dict.fromkeys(Stage, "review")
    await said(house, stage_settings=gates)
    post = await house.posted()
    found = (await house.client.get(f"/api/posts/{post}")).json()
    assert (found["current_stage"], found["stage_settings"]) == ("pending", gates)


async def test_two_changes_of_one_version_leave_one(house: House) -> None:
    await said(house, concurrency={"write": 2})
    seen = {"If-Match": (await house.client.get("/api/settings")).headers["etag"]}
    asking = [
        house.client.patch("/api/settings", json={"concurrency": {"write": n}}, headers=seen)
        for n in (3, 4)
    ]
    answers = await asyncio.gather(*asking)
    assert sorted(answer.status_code for answer in answers) == [200, 409]


async def test_untouched_settings_can_be_expected_too(house: House) -> None:
    seen = {"If-Match": '"0"'}
    body = {"concurrency": {"write": 2}}
    answers = [await house.client.patch("/api/settings", json=body, headers=seen) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 409]


async def test_changes_of_different_keys_at_once_are_all_kept(house: House) -> None:
    await asyncio.gather(
        said(house, concurrency={"write": 7}),
        said(house, budgets={"post_usd": 1.5}),
        said(house, webhook={"url": URL, "events": ["failed"]}),
    )
    now = await in_force(house.gateway)
    assert now.concurrency == {Stage.WRITE: 7}
    assert now.budgets.post_usd == 1.5
    hook = await webhook(house.gateway)
    assert hook is not None
    assert (hook.url, hook.events) == (URL, ("failed",))


@pytest.mark.parametrize(
    "url", [URL, "http://127.0.0.1:9/x", "http://localhost:9", "http://[::1]:9"]
)
async def test_a_webhook_tells_everything_unless_told_otherwise(house: House, url: str) -> None:
    now = await said(house, webhook={"url": url})
    assert now["webhook"] == {"url": url, "events": ["review", "failed", "complete"]}


async def test_a_webhook_without_a_secret_is_refused_at_once_with_what_to_do(house: House) -> None:
    house.app.state.gateway = replace(house.gateway, signs=False)
    answer = await house.client.patch("/api/settings", json={"webhook": {"url": URL}})
    assert (answer.status_code, answer.json()["code"]) == (409, "no-signing-secret")
    assert "GALLEY_WEBHOOK_SECRET" in answer.json()["detail"]
    assert URL not in answer.text
    await said(house, concurrency={"write": 7}, webhook=None)


async def test_the_same_key_changes_once(house: House) -> None:
    key = {"Idempotency-Key": "k"}
    body = {"concurrency": {"write": 2}}
    first = await house.client.patch("/api/settings", json=body, headers=key)
    await said(house, concurrency={"write": 3})
    again = await house.client.patch("/api/settings", json=body, headers=key)
    assert again.text == first.text
    assert (await in_force(house.gateway)).concurrency == {Stage.WRITE: 3}


SETTINGS = "docs.main.settings.global"
DAMAGE = [
    b"[]",
    b"\x00",
    b'{"schema_version":1,"actor":"S3CRET","at":"2026-01-01T00:00:00Z","content":{"values":[1]}}',
]
NEWER = b'{"schema_version": 2, "S3CRET": 1}'


async def over(house: House, data: bytes) -> tuple[int, int]:
    """Something unreadable on top of the settings: the version below it, and where it stands."""
    await said(house, concurrency={"write": 7}, stage_settings={"research": "review"})
    good = (await house.client.get("/api/settings")).json()[0]["version"]
    return good, await house.events.keep(SETTINGS, data, good)


@pytest.mark.parametrize("data", [*DAMAGE, NEWER])
async def test_over_the_last_good_settings_nothing_unreadable_has_power(
    house: House, data: bytes
) -> None:
    good, bad = await over(house, data)
    answer = await house.client.get("/api/settings")
    assert {each["version"] for each in answer.json()} == {good}
    assert answer.headers["etag"] == f'"{bad}"'
    told = answer.headers["galley-warning"]
    assert str(bad) in told
    assert f"version {good} is in force" in told
    assert "S3CRET" not in told
    post = await house.posted()
    found = (await house.client.get(f"/api/posts/{post}")).json()
    assert found["stage_settings"]["research"] == "review"


@pytest.mark.parametrize("data", DAMAGE)
async def test_damaged_settings_are_built_over_on_the_last_good_ones(
    house: House, data: bytes
) -> None:
    await over(house, data)
    answer = await house.client.patch("/api/settings", json={"budgets": {"day_usd": 5}})
    now = {each["key"]: each["value"] for each in answer.json()}
    assert now["concurrency"] == {"write": 7}
    assert now["budgets"]["day_usd"] == 5
    assert "galley-warning" not in (await house.client.get("/api/settings")).headers


async def test_settings_of_a_newer_galley_are_undone_only_by_who_names_them(house: House) -> None:
    _, newer = await over(house, NEWER)
    body = {"concurrency": {"write": 8}}
    answer = await house.client.patch("/api/settings", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "newer-version")
    assert answer.json()["version"] == newer
    seen = {"If-Match": f'"{newer}"'}
    assert (await house.client.patch("/api/settings", json=body, headers=seen)).status_code == 200


async def test_the_version_below_damage_is_no_longer_the_one_to_change(house: House) -> None:
    good, bad = await over(house, DAMAGE[0])
    seen = {"If-Match": f'"{good}"'}
    answer = await house.client.patch("/api/settings", json={"budgets": None}, headers=seen)
    assert (answer.status_code, answer.json()["version"]) == (409, bad)


async def test_settings_that_were_never_readable_are_as_if_never_written(house: House) -> None:
    await house.events.keep(SETTINGS, b"[]", 0)
    answer = await house.client.get("/api/settings")
    assert "version 0 is in force" in answer.headers["galley-warning"]
    await house.posted()
    await said(house, concurrency={"write": 7})


async def test_the_history_of_the_settings_is_shown_page_by_page(house: House) -> None:
    await over(house, DAMAGE[0])
    await said(house, concurrency={"write": 8})
    first = (await house.client.get("/api/settings/history?limit=2")).json()
    assert [each["readable"] for each in first["items"]] == [True, False]
    assert first["items"][0]["content"]["values"]["concurrency"] == {"write": 8}
    place = f"/api/settings/history?limit=2&cursor={first['next']}"
    second = (await house.client.get(place)).json()
    assert [each["content"]["values"]["concurrency"] for each in second["items"]] == [{"write": 7}]
    assert second["next"] is None
    for wrong in ("limit=0", "limit=101", "cursor=0", "cursor=x", "page=1"):
        assert (await house.client.get(f"/api/settings/history?{wrong}")).status_code == 422
