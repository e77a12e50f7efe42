"""Who is let in, and for what: every route asks for a key, and for a role that is high enough."""

from __future__ import annotations

import hmac
import re
from typing import TYPE_CHECKING, Any

import pytest

from services.gateway.access.roles import LEAST, OPEN, least
from shared.domain.documents import Document, key_ref
from shared.domain.keys import Role, key_text
from shared.domain.values import Stage
from shared.errors import LogUnavailable
from shared.testing import NOW
from shared.testing.access import KEY, key_of, shown, standing
from tests.unit.gateway.test_every_route import GOOD, ROUTES, UPLOAD

if TYPE_CHECKING:
    import httpx

    from tests.unit.gateway.conftest import House

NO_KEY = {"Authorization": ""}
ASKING = [
    (method, path)
    for method, path, route in ROUTES
    if (route.include_in_schema or path == "/") and path not in OPEN
]
"""Without what is there to answer 405 only."""
NONE = (
    "Bearer",
    "Bearer ",
    "Bearer x",
    f"Bearer {key_of('stranger')}",
    f"Bearer {str(KEY)[:-1]}b",
    f"Bearer {str(KEY).upper()}",
    f"Basic {KEY}",
    str(KEY),
    f"Bearer {KEY} {KEY}",
    "Bearer galley_main_" + "0" * 80,
    "Bearer " + "k" * 60_000,
)


def problem(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text[:500]
    assert answer.headers["content-type"] == "application/problem+json"
    assert KEY.secret not in answer.text
    return str(answer.json()["code"])


async def made(house: House, name: str, role: str, **more: Any) -> dict[str, Any]:
    answer = await house.client.post("/api/keys", json={"name": name, "role": role, **more})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def bearer(key: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {key['key']}"}


# --- without a key ----------------------------------------------------------------------------


async def test_without_a_key_every_route_answers_401_and_does_nothing(house: House) -> None:
    for method, path in ASKING:
        url = path.format(**GOOD)
        del house.client.headers["Authorization"]
        answer = await house.client.request(method, url)
        house.client.headers.update(shown(KEY))
        if path == "/":
            assert answer.status_code == 401
            continue
        assert problem(answer, 401) == "unauthenticated", (method, path)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer"), (method, path)
    assert house.events.messages == []


async def test_what_is_no_key_of_ours_is_no_key(house: House) -> None:
    for said in NONE:
        answer = await house.client.get("/api/posts", headers={"Authorization": said})
        assert problem(answer, 401) == "unauthenticated", said[:80]
        assert said[7:80] not in answer.text or len(said) < 10


async def test_nobody_is_let_in_before_the_body_is_read(house: House) -> None:
    """Without a key nobody may send us anything, and none of it is looked at."""

    async def never() -> Any:
        raise AssertionError("the body was read")

    told: list[Any] = []

    async def send(message: Any) -> None:
        told.append(message)

    scope = {
        "type": "http",
        "method": "PUT",
        "path": UPLOAD.format(**GOOD),
        "headers": [(b"host", b"galley"), (b"content-length", b"10000000")],
        "query_string": b"",
    }
    await house.app(scope, never, send)
    assert told[0]["status"] == 401


async def test_what_asks_for_no_key_tells_of_nobody(house: House) -> None:
    await house.posted(topic="A secret topic")
    for path in OPEN:
        answer = await house.client.get(path, headers=NO_KEY)
        assert answer.status_code in (200, 503), path
        assert "secret" not in answer.text


@pytest.mark.parametrize(
    "query",
    [f"key={KEY}", f"q={KEY}", "access_token=x", "API_KEY=", "token=t", f"min_seq=0&x=%20{KEY}"],
)
@pytest.mark.parametrize("path", ["/api/posts", "/api/events", "/media/x/y"])
async def test_a_key_in_the_address_is_refused_and_not_repeated(
    house: House, path: str, query: str
) -> None:
    answer = await house.client.get(f"{path}?{query}")
    assert problem(answer, 400) == "bad-request"
    assert "header" in answer.json()["detail"]


async def test_an_unknown_key_is_compared_as_long_as_a_known_one(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[int, int]] = []
    real = hmac.compare_digest

    def counted(one: str, other: str) -> bool:
        compared.append((len(one), len(other)))
        return real(one, other)

    monkeypatch.setattr("services.gateway.access.keyring.hmac.compare_digest", counted)
    for said in (KEY, key_of("stranger"), "nonsense"):
        await house.client.get("/api/posts", headers={"Authorization": f"Bearer {said}"})
    assert compared == [(64, 64)] * 3


# --- roles ------------------------------------------------------------------------------------


def test_every_route_has_its_role_and_no_role_is_without_a_route() -> None:
    told = [route for routes in LEAST.values() for route in routes]
    assert len(told) == len(set(told))
    assert {f"{method} {path}" for method, path in ASKING} == set(told)


@pytest.mark.parametrize("role", Role)
async def test_a_role_is_let_do_what_the_table_says_and_no_more(house: House, role: Role) -> None:
    headers = house.key(f"a {role}", role)
    for method, path in ASKING:
        needed = least(method, path.format(**GOOD))
        if role.allows(needed):
            continue
        answer = await house.client.request(method, path.format(**GOOD), headers=headers)
        assert problem(answer, 403) == "forbidden", (method, path)
        assert needed in answer.json()["detail"]
    assert house.events.messages == []
    assert (await house.client.get("/api/profiles", headers=headers)).status_code == 200


async def test_a_reviewer_decides_and_changes_nothing_else(house: House) -> None:
    post = await house.posted(stage_settings={"research": "review"})
    await house.complete(post, Stage.RESEARCH)
    headers = house.key("rita", Role.REVIEWER)
    patched = await house.client.patch(f"/api/posts/{post}", json={"tone": "x"}, headers=headers)
    assert problem(patched, 403) == "forbidden"
    body = {"content": "# Better"}
    answer = await house.client.post(f"/api/posts/{post}/approve", json=body, headers=headers)
    assert answer.status_code == 200
    assert "by rita" in answer.json()["execution_logs"][-1]["message"]


async def test_what_is_no_route_is_answered_as_ever(house: House) -> None:
    headers = house.key("vera", Role.VIEWER)
    assert (await house.client.get("/api/nothing", headers=headers)).status_code == 404
    assert (await house.client.put("/api/posts", headers=headers)).status_code == 405
    assert (await house.client.get("/api/nothing", headers=NO_KEY)).status_code == 401


# --- made and revoked -------------------------------------------------------------------------


async def test_a_key_is_made_counts_at_once_and_acts_in_its_name(house: House) -> None:
    key = await made(house, "Ann Smith", "editor")
    assert re.fullmatch(rf"galley_main_{key['id']}_[0-9a-f]{{64}}", key["key"])
    answer = await house.client.post("/api/posts", json={"topic": "T"}, headers=bearer(key))
    assert answer.status_code == 201
    history = await house.events.read(house.gateway.ref(answer.json()["id"]))
    first: Any = history.flow[0].fact
    assert first.command.actor == "Ann Smith"


async def test_the_log_has_the_digest_of_a_key_and_nothing_shows_its_secret(house: House) -> None:
    key = await made(house, "ann", "viewer")
    text = key_text(key["key"])
    assert text is not None
    stored = b"".join(each.data for each in house.events.messages)
    assert text.digest.encode() in stored
    assert text.secret.encode() not in stored
    listed = await house.client.get("/api/keys")
    assert [each["name"] for each in listed.json()["items"]] == ["local", "ann"]
    assert text.secret not in listed.text
    assert text.digest not in listed.text
    assert text.secret not in repr(text)
    assert text.secret not in repr(house.gateway.keyring.of("main"))


async def test_a_revoked_key_lets_nobody_in_any_more(house: House) -> None:
    key = await made(house, "ann", "admin")
    gone = await house.client.delete(f"/api/keys/{key['id']}")
    assert (gone.status_code, gone.json()["live"]) == (200, False)
    answer = await house.client.get("/api/posts", headers=bearer(key))
    assert problem(answer, 401) == "unauthenticated"
    assert "revoked" in answer.json()["detail"]
    again = await house.client.delete(f"/api/keys/{key['id']}")
    assert again.json() == gone.json()


async def test_a_key_expires(house: House) -> None:
    key = await made(house, "ann", "admin", expires_in_days=2)
    house.later(days=1)
    assert (await house.client.get("/api/posts", headers=bearer(key))).status_code != 401
    house.later(days=1)
    answer = await house.client.get("/api/posts", headers=bearer(key))
    assert problem(answer, 401) == "unauthenticated"
    assert "expired" in answer.json()["detail"]


async def test_a_name_is_of_one_live_key(house: House) -> None:
    key = await made(house, "ann", "viewer")
    taken = await house.client.post("/api/keys", json={"name": "ANN", "role": "viewer"})
    assert problem(taken, 409) == "name-taken"
    await house.client.delete(f"/api/keys/{key['id']}")
    assert (await made(house, "ann", "viewer"))["id"] != key["id"]


@pytest.mark.parametrize(
    "name", ["", " ", "a" * 65, "two\nlines", "nul\x00", "a/b", "a<b", " a", "a ", "a\u202eb", 7]
)
async def test_a_name_that_is_none_is_refused(house: House, name: object) -> None:
    answer = await house.client.post("/api/keys", json={"name": name, "role": "viewer"})
    assert problem(answer, 422) == "invalid"
    assert house.events.messages == []


async def test_the_last_admin_key_is_revoked_only_by_force(house: House) -> None:
    expired = await made(house, "ann", "admin", expires_in_days=1)
    house.later(days=1)
    answer = await house.client.delete(f"/api/keys/{KEY.id}")
    assert problem(answer, 409) == "last-admin"
    assert (await house.client.delete(f"/api/keys/{expired['id']}")).status_code == 200
    forced = await house.client.delete(f"/api/keys/{KEY.id}", params={"force": "true"})
    assert forced.status_code == 200
    assert problem(await house.client.get("/api/posts"), 401) == "unauthenticated"


async def test_a_key_is_told_once_also_to_who_asks_twice(house: House) -> None:
    body, headers = {"name": "ann", "role": "viewer"}, {"Idempotency-Key": "k"}
    first = await house.client.post("/api/keys", json=body, headers=headers)
    again = await house.client.post("/api/keys", json=body, headers=headers)
    assert (first.status_code, problem(again, 409)) == (201, "made-before")
    assert first.json()["id"] in again.json()["detail"]
    other = await house.client.post("/api/keys", json={**body, "name": "bob"}, headers=headers)
    assert problem(other, 422) == "idempotency-key-reused"


async def test_a_key_whose_storing_was_not_confirmed_is_told_all_the_same(house: House) -> None:
    house.documents.unconfirmed = 1
    key = await made(house, "ann", "viewer")
    assert (await house.client.get("/api/profiles", headers=bearer(key))).status_code == 200


# --- the fold ---------------------------------------------------------------------------------


async def told(house: House) -> None:
    """Until the feed has told of everything, and what it told of was read."""
    await house.gateway.feed.reached(len(house.events.messages))
    await house.gateway.keyring.caught_up()


async def test_what_another_replica_does_to_a_key_counts_here(house: House) -> None:
    text = key_of("ann")
    there = standing(text, "ann", Role.VIEWER).version
    assert there is not None
    seq = await house.documents.write(there.ref, there.document, 0)
    await told(house)
    assert (await house.client.get("/api/profiles", headers=shown(text))).status_code == 200
    gone = standing(text, "ann", Role.VIEWER, revoked=NOW).version
    assert gone is not None
    await house.documents.write(gone.ref, gone.document, seq)
    await told(house)
    assert (await house.client.get("/api/profiles", headers=shown(text))).status_code == 401


@pytest.mark.parametrize("damage", [b"[]", b'{"schema_version": 99}', b'{"schema_version": 1}'])
async def test_a_key_whose_newest_version_cannot_be_read_lets_nobody_in(
    house: House, damage: bytes
) -> None:
    key = await made(house, "ann", "viewer")
    ref = key_ref("main", key["id"])
    await house.events.keep(ref.subject, damage, len(house.events.messages))
    await told(house)
    assert (await house.client.get("/api/profiles", headers=bearer(key))).status_code == 401


async def test_a_deleted_key_lets_nobody_in(house: House) -> None:
    key = await made(house, "ann", "viewer")
    gone = Document(actor="somebody", at=NOW)
    await house.documents.write(key_ref("main", key["id"]), gone, len(house.events.messages))
    await told(house)
    assert (await house.client.get("/api/profiles", headers=bearer(key))).status_code == 401


async def test_keys_that_were_read_let_in_while_the_log_is_away(house: House) -> None:
    house.events.away = house.documents.away = True
    assert problem(await house.client.get("/api/settings"), 503) == "log-unavailable"


async def test_nobody_is_let_in_before_the_keys_are_known(house: House) -> None:
    house.gateway.keyring.anew()
    house.documents.away = True
    assert problem(await house.client.get("/api/posts"), 503) == "keys-unknown"
    assert house.gateway.ready["keys"]() is not None
    house.documents.away = False
    await house.gateway.keyring.loaded()
    assert (await house.client.get("/api/profiles")).status_code == 200


async def test_when_a_key_was_used_last_is_listed_and_told_the_log_once_a_minute(
    house: House,
) -> None:
    await house.client.get("/api/profiles")
    keyring = house.gateway.keyring
    for _ in range(3):
        await keyring.tell_uses()
    assert [each.subject for each in house.events.messages] == [f"docs.main.used.{KEY.id}"]
    await told(house)
    house.later(seconds=61)
    [listed] = (await house.client.get("/api/keys")).json()["items"]
    assert listed["last_used"] == "2026-01-01T12:01:01Z"
    await keyring.tell_uses()
    assert len(house.events.messages) == 2


async def test_a_use_that_cannot_be_told_harms_nobody(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.client.get("/api/profiles")

    async def away(*_: object) -> int:
        raise LogUnavailable("away")

    monkeypatch.setattr(house.documents, "write", away)
    await house.gateway.keyring.tell_uses()
    assert (await house.client.get("/api/profiles")).status_code == 200
