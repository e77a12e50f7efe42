"""A browser shows a cookie in place of the key: got once, bound to the key, of no use to others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httpx
import pytest

from shared.domain.keys import Role
from shared.testing.access import KEY, shown
from tests.unit.gateway.listener import listening
from tests.unit.gateway.test_keys import bearer, made, problem

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.unit.gateway.conftest import House

OURS = {"Origin": "http://galley"}


@pytest.fixture
async def browser(house: House) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=house.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://galley") as client:
        yield client


async def link(house: House) -> str:
    answer = await house.client.post("/api/session/links")
    assert answer.status_code == 201, answer.text
    path: str = answer.json()["path"]
    return path


async def test_a_key_is_exchanged_for_a_cookie_that_scripts_cannot_read(
    house: House, browser: httpx.AsyncClient
) -> None:
    answer = await browser.post("/api/session", headers=shown(KEY))
    assert answer.json() == {"tenant": "main", "name": "local", "role": "admin"}
    said = answer.headers["set-cookie"].lower()
    assert all(word in said for word in ("httponly", "samesite=strict", "path=/", "; secure"))
    assert KEY.secret not in said
    assert (await browser.get("/api/profiles")).status_code == 401, "http is not for it"
    stored = b"".join(each.data for each in house.events.messages)
    assert answer.cookies["galley"].rpartition("_")[2].encode() not in stored


async def test_on_this_machine_the_cookie_needs_no_tls(house: House) -> None:
    headers = {**shown(KEY), "Host": "127.0.0.1:8080"}
    answer = await house.client.post("/api/session", headers=headers)
    assert "secure" not in answer.headers["set-cookie"].lower()


async def entered(house: House, browser: httpx.AsyncClient) -> None:
    """A session on this machine."""
    browser.base_url = httpx.URL("http://localhost")
    answer = await browser.get(await link(house))
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


async def test_a_link_lets_in_once(house: House, browser: httpx.AsyncClient) -> None:
    browser.base_url = httpx.URL("http://localhost")
    path = await link(house)
    answers = await asyncio.gather(*(browser.get(path) for _ in range(5)))
    assert sorted(answer.status_code for answer in answers) == [303, 404, 404, 404, 404]
    assert (await browser.get("/api/session")).json()["name"] == "local"
    assert (await browser.get("/")).status_code == 200


async def test_a_link_is_over_after_fifteen_minutes(
    house: House, browser: httpx.AsyncClient
) -> None:
    path = await link(house)
    house.later(minutes=15)
    assert problem(await browser.get(path), 404) == "not-found"
    for other in ("/enter/x", "/enter/" + path[7:-1] + "b", f"/enter/{KEY}", "/enter/"):
        assert (await browser.get(other)).status_code == 404


async def test_a_link_is_no_session_and_a_session_no_key(
    house: House, browser: httpx.AsyncClient
) -> None:
    token = (await link(house)).removeprefix("/enter/")
    for header in ({"Authorization": f"Bearer {token}"}, {"Cookie": f"galley={token}"}):
        assert problem(await browser.get("/api/posts", headers=header), 401) == "unauthenticated"
    await entered(house, browser)
    session = browser.cookies["galley"]
    shown_as_key = {"Authorization": f"Bearer {session}"}
    assert (await house.client.get("/api/posts", headers=shown_as_key)).status_code == 401
    assert (await browser.post("/api/session/links", headers=OURS_HERE)).status_code == 403


OURS_HERE = {"Origin": "http://localhost"}


async def test_a_session_acts_in_the_name_of_its_key_and_has_its_role(
    house: House, browser: httpx.AsyncClient
) -> None:
    await entered(house, browser)
    answer = await browser.post("/api/posts", json={"topic": "T"}, headers=OURS_HERE)
    assert answer.status_code == 201
    del browser.cookies["galley"]
    answer = await browser.post("/api/session", headers=house.key("vera", Role.VIEWER))
    answer = await browser.post("/api/posts", json={"topic": "T"}, headers=OURS_HERE)
    assert problem(answer, 403) == "forbidden"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Origin": "http://localhost.evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "http://evil.example"},
    ],
    ids=str,
)
async def test_a_page_from_elsewhere_changes_nothing_under_a_session(
    house: House, browser: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    await entered(house, browser)
    before = len(house.events.messages)
    answer = await browser.post("/api/posts", json={"topic": "T"}, headers=headers)
    assert problem(answer, 403) == "forbidden"
    assert len(house.events.messages) == before


@pytest.mark.parametrize("headers", [OURS_HERE, {"Sec-Fetch-Site": "same-origin"}], ids=str)
async def test_our_own_pages_change_what_they_may(
    house: House, browser: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    await entered(house, browser)
    answer = await browser.post("/api/posts", json={"topic": "T"}, headers=headers)
    assert answer.status_code == 201


async def test_a_session_ends_when_it_is_ended(house: House, browser: httpx.AsyncClient) -> None:
    await entered(house, browser)
    session = {"Cookie": f"galley={browser.cookies['galley']}"}
    answer = await browser.delete("/api/session", headers=OURS_HERE)
    assert answer.status_code == 204
    assert "galley" not in browser.cookies
    assert (await browser.get("/api/session", headers=session)).status_code == 401


async def test_a_session_ends_after_twelve_hours(house: House, browser: httpx.AsyncClient) -> None:
    await entered(house, browser)
    house.later(hours=12)
    session = {"Cookie": f"galley={browser.cookies.get('galley', 'gone')}"}
    assert (await browser.get("/api/session", headers=session)).status_code == 401


async def test_a_session_ends_with_its_key(house: House, browser: httpx.AsyncClient) -> None:
    key = await made(house, "ann", "editor")
    browser.base_url = httpx.URL("http://localhost")
    await browser.post("/api/session", headers=bearer(key))
    assert (await browser.get("/api/session")).json()["name"] == "ann"
    await house.client.delete(f"/api/keys/{key['id']}")
    assert problem(await browser.get("/api/session"), 401) == "unauthenticated"


async def test_a_key_has_so_many_sessions_and_no_more(house: House) -> None:
    for _ in range(100):
        await link(house)
    answer = await house.client.post("/api/session/links")
    assert problem(answer, 429) == "too-many"
    assert int(answer.headers["Retry-After"]) > 0


async def test_who_comes_without_a_key_is_told_where_to_find_one(
    house: House, browser: httpx.AsyncClient
) -> None:
    await house.posted(topic="A secret topic")
    page = await browser.get("/")
    assert page.status_code == 401
    assert "galley enter" in page.text
    assert "secret" not in page.text


async def test_a_stream_is_followed_under_a_session(served: House) -> None:
    post = await served.posted()
    port = served.client.base_url.port
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=5) as browser:
        await browser.post("/api/session", headers=shown(KEY))
        async with listening(browser, f"/api/events/{post}") as listener:
            assert (await listener.next()).name == "snapshot"
