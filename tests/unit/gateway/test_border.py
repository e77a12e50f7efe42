"""What no browser can be talked into, and how much one key or one address may ask."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest

from services.gateway.access.limits import Allowed, Buckets, Limits, TooMany
from services.gateway.app import create_app
from shared.testing.access import BEARER
from tests.unit.gateway.listener import listening
from tests.unit.gateway.test_keys import NO_KEY, problem

if TYPE_CHECKING:
    from tests.unit.gateway.conftest import House

OURS = ("galley", "GALLEY", "galley:8080", "localhost", "127.0.0.1:9", "127.1.2.3", "[::1]:80")
NOT_OURS = ("evil.example", "galley.evil.example", "127.0.0.1.evil.example", "10.0.0.1", "", "[::1")


@pytest.mark.parametrize("host", NOT_OURS)
async def test_who_asks_for_another_name_is_sent_away(house: House, host: str) -> None:
    for path in ("/api/posts", "/", "/health", "/openapi.json", "/enter/x"):
        answer = await house.client.get(path, headers={"Host": host})
        assert problem(answer, 421) == "misdirected"
        assert not host or host not in answer.text


@pytest.mark.parametrize("host", OURS)
async def test_our_own_names_are_answered(house: House, host: str) -> None:
    assert (await house.client.get("/health", headers={"Host": host})).status_code == 200


async def test_a_cluster_asks_for_our_health_by_any_address(house: House) -> None:
    answer = await house.client.get("/livez", headers={"Host": "10.1.2.3:8080"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Origin": "null"}], ids=str
)
async def test_a_foreign_page_writes_nothing_though_it_had_a_key(
    house: House, headers: dict[str, str]
) -> None:
    answer = await house.client.post("/api/posts", json={"topic": "T"}, headers=headers)
    assert problem(answer, 403) == "forbidden"
    assert house.events.messages == []


async def test_every_answer_forbids_a_browser_what_it_need_not_do(house: House) -> None:
    post = await house.posted()
    asked = [
        ("/", {}, 200),
        ("/", NO_KEY, 401),
        ("/style.css", {}, 200),
        ("/openapi.json", {}, 200),
        ("/livez", {}, 200),
        (f"/api/posts/{post}", {}, 200),
        ("/api/posts", {}, 503),
        ("/api/posts", NO_KEY, 401),
        ("/api/nothing", {}, 404),
        ("/health", {"Host": "evil"}, 421),
    ]
    for path, headers, status in asked:
        answer = await house.client.get(path, headers=headers)
        assert answer.status_code == status, path
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store" or path == "/style.css"


async def test_a_defect_is_answered_with_the_same_headers(house: House) -> None:
    house.events.broken = ZeroDivisionError()
    answer = await house.client.post("/api/posts", json={"topic": "T"})
    assert answer.status_code == 500
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]


# --- limits -----------------------------------------------------------------------------------


def limited(house: House, allowed: Allowed, now: list[float]) -> httpx.AsyncClient:
    limits = Limits(allowed, lambda: now[0])
    app = create_app(replace(house.gateway, limits=limits))
    transport = httpx.ASGITransport(app=app)
    return httpx.AsyncClient(transport=transport, base_url="http://galley", headers=BEARER)


async def test_a_key_asks_so_often_and_no_more_and_later_again(house: House) -> None:
    now = [0.0]
    async with limited(house, Allowed(requests_per_s=0.5), now) as client:
        assert (await client.get("/api/profiles")).status_code == 200
        answer = await client.get("/api/profiles")
        assert problem(answer, 429) == "too-many"
        assert answer.headers["Retry-After"] == "2"
        other = await client.get("/api/profiles", headers=house.key("ann"))
        assert other.status_code == 200
        now[0] = 2.0
        assert (await client.get("/api/profiles")).status_code == 200


async def test_who_shows_no_good_key_too_often_is_told_to_wait_and_harms_nobody(
    house: House,
) -> None:
    async with limited(house, Allowed(), [0.0]) as client:
        for _ in range(200):
            assert (await client.get("/api/posts", headers=NO_KEY)).status_code == 401
        answer = await client.get("/api/posts", headers=NO_KEY)
        assert problem(answer, 429) == "too-many"
        assert (await client.get("/api/profiles")).status_code == 200


async def test_a_key_has_so_many_streams_and_a_closed_one_makes_room(served: House) -> None:
    served.gateway.limits._most = 1
    post = await served.posted()
    async with listening(served.client, f"/api/events/{post}") as listener:
        await listener.next()
        answer = await served.client.get("/api/events")
        assert problem(answer, 429) == "too-many"
        assert "Retry-After" in answer.headers
    while served.gateway.limits._streams:  # until the gateway has noticed that the client left
        await served.client.get("/health")
    async with listening(served.client, f"/api/events/{post}") as listener:
        await listener.next()


def test_of_addresses_only_so_many_are_remembered() -> None:
    buckets = Buckets(1.0, 1.0, lambda: 0.0)
    for number in range(10_001):
        assert buckets.take(str(number)) == 0
    assert buckets.take("10000") > 0
    assert buckets.take("0") == 0


def test_too_many_says_when_to_come_again() -> None:
    limits = Limits(Allowed(requests_per_s=0.1), lambda: 0.0)
    limits.asked("k")
    with pytest.raises(TooMany) as refused:
        limits.asked("k")
    assert refused.value.after == 10
