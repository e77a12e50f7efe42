"""A key belongs to one tenant, and of the others nothing can be read, changed, heard or told apart
from nothing at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from shared.domain.keys import Role
from shared.domain.values import Stage
from shared.eventlog import Tokens
from tests.unit.gateway.listener import listening
from tests.unit.gateway.test_every_route import GOOD, ROUTES
from tests.unit.gateway.test_keys import bearer, made, problem

if TYPE_CHECKING:
    import httpx

    from tests.unit.gateway.conftest import House

UNTOLD = {"date", "galley-sequence"}
OF_A_POST = [
    (method, path)
    for method, path, route in ROUTES
    if route.include_in_schema and "{post_id}" in path
]
OF_A_PROFILE = [
    (method, path)
    for method, path, route in ROUTES
    if route.include_in_schema and "{profile_id}" in path
]
BODIES: dict[str, Any] = {
    "PATCH /api/posts/{post_id}": {"tone": "dry"},
    "POST /api/posts/{post_id}/reject": {"note": "again"},
    "PATCH /api/posts/{post_id}/images/{number}": {"alt": "A cat"},
    "POST /api/queue/dead-letter/{post_id}/edit-and-retry": {"word_count": 500},
    "PATCH /api/profiles/{profile_id}": {"tone": "dry"},
}


async def asked(
    house: House, method: str, path: str, headers: dict[str, str], **place: object
) -> httpx.Response:
    url = path.format(**{**GOOD, **place})
    body = BODIES.get(f"{method} {path}")
    return await house.client.request(method, url, json=body, headers=headers)


def seen(answer: httpx.Response) -> tuple[int, bytes, dict[str, str]]:
    headers = {name: value for name, value in answer.headers.items() if name not in UNTOLD}
    return answer.status_code, answer.content, headers


@pytest.mark.parametrize(("method", "path"), OF_A_POST)
async def test_a_post_of_another_tenant_is_no_post_on_every_route(
    house: House, method: str, path: str
) -> None:
    post = await house.posted(topic="A secret topic")
    before, eve = len(house.events.messages), house.key("eve", tenant="other")
    theirs = await asked(house, method, path, eve, post_id=post)
    none = await asked(house, method, path, eve, post_id=uuid4())
    assert theirs.status_code == 404, theirs.text
    assert seen(theirs) == seen(none)
    assert len(house.events.messages) == before


@pytest.mark.parametrize(("method", "path"), OF_A_PROFILE)
async def test_a_profile_of_another_tenant_is_no_profile_on_every_route(
    house: House, method: str, path: str
) -> None:
    made = await house.client.post("/api/profiles", json={"name": "A secret profile"})
    eve = house.key("eve", tenant="other")
    theirs = await asked(house, method, path, eve, profile_id=made.json()["id"])
    none = await asked(house, method, path, eve, profile_id=uuid4())
    assert theirs.status_code == 404, theirs.text
    assert seen(theirs) == seen(none)


async def test_profiles_settings_and_rules_are_ones_own(house: House) -> None:
    eve, client = house.key("eve", tenant="other"), house.client
    profile = (await client.post("/api/profiles", json={"name": "Secret"})).json()["id"]
    assert (await client.get("/api/profiles", headers=eve)).json()["items"] == []
    taken = {"topic": "T", "profile_id": profile}
    assert problem(await client.post("/api/posts", json=taken, headers=eve), 404)
    await client.put("/api/rules/write", json={"content": "Secret rules"})
    version = (await client.get("/api/rules/write")).json()["version"]
    told = (await client.get("/api/rules/write", headers=eve)).json()
    assert (told["source"], told["version"]) == ("shipped", 0)
    url = f"/api/rules/write/versions/{version}"
    assert (await client.get(url, headers=eve)).status_code == 404
    await client.patch("/api/settings", json={"concurrency": {"write": 7}})
    for path in ("/api/settings", "/api/settings/history", "/api/rules/write/history"):
        assert "Secret" not in (await client.get(path, headers=eve)).text
    assert "7" not in (await client.get("/api/settings", headers=eve)).text


async def test_the_same_name_and_idempotency_key_make_a_post_each(house: House) -> None:
    """Slugs, keys' names and Idempotency-Keys are told apart by tenant."""
    body, more = {"topic": "T", "slug": "mine"}, {"Idempotency-Key": "k"}
    ids = set()
    for tenant in ("main", "other"):
        headers = {**house.key("ann", tenant=tenant), **more}
        answer = await house.client.post("/api/posts", json=body, headers=headers)
        assert answer.status_code == 201, answer.text
        ids.add(answer.json()["id"])
        assert (
            await house.client.get(f"/api/posts/{answer.json()['id']}", headers=headers)
        ).is_success
    assert len(ids) == 2


async def test_the_keys_of_a_tenant_are_its_own(house: House) -> None:
    await made(house, "ann", "viewer")
    eve = house.key("eve", tenant="other")
    listed = (await house.client.get("/api/keys", headers=eve)).json()["items"]
    assert [each["name"] for each in listed] == ["eve"]
    for method, path in (("GET", "/api/keys"), ("DELETE", f"/api/keys/{'0' * 16}")):
        params = {"tenant": "main"}
        answer = await house.client.request(method, path, params=params, headers=eve)
        assert problem(answer, 403) == "forbidden"
    order = {"name": "x", "role": "admin", "tenant": "main"}
    assert problem(await house.client.post("/api/keys", json=order, headers=eve), 403)


async def test_a_tenant_comes_to_be_with_its_first_key(house: House) -> None:
    key = await made(house, "eve", "admin", tenant="other")
    assert key["key"].startswith("galley_other_")
    answer = await house.client.post("/api/posts", json={"topic": "T"}, headers=bearer(key))
    assert answer.status_code == 201
    assert any(each.subject.startswith("posts.other.") for each in house.events.messages)
    bob = {"name": "bob", "role": "viewer"}
    answer = await house.client.post("/api/keys", json=bob, headers=bearer(key))
    assert answer.json()["tenant"] == "other"


async def test_a_key_is_of_no_tenant_but_the_one_it_names(house: House) -> None:
    key = await made(house, "eve", "admin", tenant="other")
    forged = key["key"].replace("galley_other_", "galley_main_")
    answer = await house.client.get("/api/posts", headers={"Authorization": f"Bearer {forged}"})
    assert problem(answer, 401) == "unauthenticated"


@pytest.mark.parametrize("last", [None, 0])
async def test_a_stream_tells_of_ones_own_posts_only_live_and_from_the_past(
    served: House, last: int | None
) -> None:
    await served.posted(topic="An old secret")
    eve = served.key("eve", Role.ADMIN, "other")
    served.client.headers.update(eve)
    own = await served.posted(topic="My own")
    async with listening(served.client, "/api/events", last=last) as listener:
        served.client.headers.update(served.key("local"))
        post = await served.posted(topic="A new secret")
        run = await served.run(post)
        await served.live.publish(served.ref(post), _tokens(run, "secret words"))
        await served.complete(post, Stage.RESEARCH, output="A secret text")
        served.client.headers.update(eve)
        await served.client.post(f"/api/posts/{own}/pause")
        heard = [await listener.next()]
        while "aused" not in str(heard[-1].data.get("message")):
            heard.append(await listener.next())
    assert {each.data["post_id"] for each in heard if "post_id" in each.data} == {str(own)}
    assert "ecret" not in str([each.data for each in heard])


def _tokens(run: int, text: str) -> Tokens:
    return Tokens(stage=Stage.RESEARCH, run=run, key="research", attempt=1, offset=0, text=text)


async def test_how_busy_the_press_is_is_told_to_its_operator_only(house: House) -> None:
    eve = house.key("eve", tenant="other")
    told = (await house.client.get("/api/queue/worker-status", headers=eve)).json()
    assert (told["active_jobs"], told["queued_jobs"]) == (None, None)
