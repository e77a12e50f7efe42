"""A deleted post is gone for everybody, keeps its bill, and gives its slug back."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from shared.domain.events import CallName, CallSettled, CallStarted, PostDeleted
from shared.domain.values import Stage, Usage
from shared.errors import Conflict
from shared.eventlog import Append
from shared.testing import NOW
from tests.unit.gateway.test_bad_input import clear

if TYPE_CHECKING:
    from uuid import UUID

    from tests.unit.gateway.conftest import House

NOBODY = "33333333-3333-4333-8333-333333333333"


def call(post: UUID, run: int, attempt: int) -> dict[str, Any]:
    return {
        "post_id": post,
        "at": NOW,
        "stage": Stage.RESEARCH,
        "run": run,
        "key": "research",
        "attempt": attempt,
        "token": "t",
        "provider": "perplexity",
        "request": "r",
    }


async def claim(house: House, post: UUID, attempt: int) -> CallName:
    name = call(post, await house.run(post), attempt)
    started = CallStarted(**name, model="sonar", worst_case_usd=0.5)
    await house.events.append(Append(ref=house.ref(post), facts=[started]))
    return started.name


async def settle(house: House, name: CallName, post: UUID) -> None:
    usage = Usage(model="sonar", tokens_in=3, tokens_out=4)
    settled = CallSettled(
        **call(post, name.run, name.attempt),
        text="t",
        usage=usage,
        cost_usd=0.125,
        prices="p",
        duration_s=2.0,
    )
    await house.events.append(Append(ref=house.ref(post), facts=[settled]))


async def tombstone(house: House, post: UUID) -> PostDeleted:
    last = await house.events.last(house.ref(post))
    assert last is not None
    assert isinstance(last.fact, PostDeleted)
    return last.fact


async def test_a_deleted_post_is_gone(house: House) -> None:
    post = await house.posted()
    answer = await house.client.delete(f"/api/posts/{post}")
    assert (answer.status_code, answer.content) == (204, b"")
    last = await house.events.last(house.ref(post))
    assert last is not None
    assert answer.headers["galley-sequence"] == str(last.seq)
    for path in ("", "/logs", "/calls", "/export/markdown", "/export/all"):
        clear(await house.client.get(f"/api/posts/{post}{path}"), 404)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/run", None),
        ("POST", "/run-all", None),
        ("POST", "/rerun/research", None),
        ("POST", "/restart", None),
        ("POST", "/approve", None),
        ("POST", "/reject", {"note": "no"}),
        ("POST", "/pause", None),
        ("POST", "/resume", None),
        ("POST", "/cancel", None),
        ("POST", "/duplicate", None),
        ("PATCH", "", {"niche": "x"}),
        ("DELETE", "", None),
    ],
)
async def test_nothing_can_be_asked_of_a_deleted_post(
    house: House, method: str, path: str, body: Any
) -> None:
    post = await house.posted()
    await house.client.delete(f"/api/posts/{post}")
    before = len(house.events.messages)
    clear(await house.client.request(method, f"/api/posts/{post}{path}", json=body), 404)
    assert len(house.events.messages) == before


async def test_who_is_not_there_is_not_deleted(house: House) -> None:
    clear(await house.client.delete(f"/api/posts/{NOBODY}"), 404)
    clear(await house.client.delete("/api/posts/nonsense"), 422)


async def test_the_same_key_deletes_once_and_answers_again(house: House) -> None:
    post = await house.posted()
    headers = {"Idempotency-Key": "k"}
    answers = [await house.client.delete(f"/api/posts/{post}", headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [204, 204, 204]
    assert len({answer.headers["galley-sequence"] for answer in answers}) == 1


async def test_five_deletions_at_once_leave_one_tombstone(house: House) -> None:
    post = await house.posted()
    answers = await asyncio.gather(*(house.client.delete(f"/api/posts/{post}") for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [204, 404, 404, 404, 404]


async def test_a_stale_version_deletes_nothing(house: House) -> None:
    post = await house.posted()
    headers = {"If-Match": '"1"'}
    clear(await house.client.delete(f"/api/posts/{post}", headers=headers), 409)
    assert (await house.client.get(f"/api/posts/{post}")).status_code == 200


async def test_the_tombstone_keeps_the_bill_and_none_of_the_words(house: House) -> None:
    post = await house.posted(topic="A secret topic")
    paid = await claim(house, post, 1)
    await settle(house, paid, post)
    open_call = await claim(house, post, 2)
    await house.client.delete(f"/api/posts/{post}")
    gone = await tombstone(house, post)
    [spent] = gone.spent
    assert (spent.day, spent.stage, spent.model) == ("2026-01-01", Stage.RESEARCH, "sonar")
    assert (spent.calls, spent.cost_usd) == (1, 0.125)
    assert (gone.counted, gone.open) == ((paid,), (open_call,))
    assert b"secret" not in house.events.messages[-1].data


async def test_a_bill_that_comes_while_it_is_deleted_is_counted(house: House) -> None:
    post = await house.posted()
    name = await claim(house, post, 1)
    house.events.before["append"] = lambda: settle(house, name, post)
    await house.client.delete(f"/api/posts/{post}")
    gone = await tombstone(house, post)
    assert [line.cost_usd for line in gone.spent] == [0.125]
    assert gone.open == ()


async def test_a_claim_that_comes_while_it_is_deleted_is_listed_as_open(house: House) -> None:
    post = await house.posted()

    async def meanwhile() -> None:
        await claim(house, post, 7)

    house.events.before["append"] = meanwhile
    await house.client.delete(f"/api/posts/{post}")
    assert [each.attempt for each in (await tombstone(house, post)).open] == [7]


async def test_a_deletion_that_was_not_confirmed_is_done_once(house: House) -> None:
    post = await house.posted()
    house.events.unconfirmed = 1
    headers = {"Idempotency-Key": "k"}
    answer = await house.client.delete(f"/api/posts/{post}", headers=headers)
    assert answer.status_code == 204


async def test_a_post_that_others_keep_changing_is_deleted_later(house: House) -> None:
    post = await house.posted()

    async def refuse() -> None:
        house.events.before["append"] = refuse
        raise Conflict("somebody wrote first")

    house.events.before["append"] = refuse
    clear(await house.client.delete(f"/api/posts/{post}"), 503)


async def test_a_create_repeated_after_the_deletion_brings_nothing_back(house: House) -> None:
    headers, body = {"Idempotency-Key": "k"}, {"topic": "T"}
    made = await house.client.post("/api/posts", json=body, headers=headers)
    await house.client.delete(f"/api/posts/{made.json()['id']}")
    clear(await house.client.post("/api/posts", json=body, headers=headers), 404)


# --- slugs --------------------------------------------------------------------------------------


async def test_the_slug_of_a_deleted_post_is_free_again(house: House) -> None:
    for _ in range(3):
        post = await house.posted(slug="mine")
        clear(await house.client.post("/api/posts", json={"topic": "T", "slug": "mine"}), 409)
        await house.client.delete(f"/api/posts/{post}")
    made = await house.client.post("/api/posts", json={"topic": "T", "slug": "mine"})
    assert (made.status_code, made.json()["slug"]) == (201, "mine")


async def test_a_generated_slug_takes_over_from_the_deleted(house: House) -> None:
    first, _ = await house.posted(topic="Same"), await house.posted(topic="Same")
    await house.client.delete(f"/api/posts/{first}")
    made = await house.client.post("/api/posts", json={"topic": "Same"})
    assert made.json()["slug"] == "same"


async def test_of_many_heirs_of_a_slug_one_gets_it(house: House) -> None:
    post = await house.posted(slug="mine")
    await house.client.delete(f"/api/posts/{post}")
    body = {"topic": "T", "slug": "mine"}
    answers = await asyncio.gather(*(house.client.post("/api/posts", json=body) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 5
