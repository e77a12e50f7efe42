"""Where a notice may go: never inside the house, whatever the address looks like."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest
from pydantic import SecretStr

from services.gateway.notices.addresses import outside, permitted
from services.gateway.notices.sending import Sender, open_sender
from services.gateway.notices.undelivered import Undelivered
from shared.domain.notices import webhook_url
from shared.errors import Misconfigured
from shared.local.environment import SERVICES, Environment
from shared.settings import Webhook, load, secrets
from shared.testing.access import KEY
from tests.unit.gateway.receiver import receiving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from services.gateway.notices.addresses import Address

INSIDE = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "169.254.170.2",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "198.18.0.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b:1::7f00:1",
    "2002:7f00:1::",
    "2001:0:7f00:1::",
    "2001:db8::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
]
OUTSIDE = ["93.184.215.14", "8.8.8.8", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "::ffff:8.8.8.8"]


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_inside_the_house_is_refused(address: str):
    assert not outside(ip_address(address))
    with pytest.raises(Undelivered, match="forbidden_address"):
        permitted([ip_address(address)], encrypted=True, private=False)


@pytest.mark.parametrize("address", OUTSIDE)
def test_an_address_of_the_internet_is_permitted_if_encrypted(address: str):
    there = [ip_address(address)]
    assert permitted(there, encrypted=True, private=False) == there
    for private in (True, False):
        with pytest.raises(Undelivered, match="forbidden_scheme"):
            permitted(there, encrypted=False, private=private)


def test_one_address_inside_makes_the_whole_name_unfit():
    with pytest.raises(Undelivered, match="forbidden_address"):
        permitted(list(map(ip_address, [*OUTSIDE, "10.0.0.1"])), encrypted=True, private=False)
    with pytest.raises(Undelivered, match="no_such_host"):
        permitted([], encrypted=True, private=True)


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.org/a/b?c=d",
        "https://hooks.example.org:8443",
        "https://10.0.0.1/",
        "http://127.0.0.1:8080/hook",
        "http://[::1]:8080/hook",
        "http://localhost/hook",
    ],
)
def test_a_plain_address_is_taken_as_it_is(url: str):
    assert webhook_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        " ",
        "hook",
        "//example.org/hook",
        "http://example.org/hook",
        "http://10.0.0.1/hook",
        "http://localhost.example.org/",
        "http://127.0.0.1.example.org/",
        "ftp://example.org/",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://",
        "https:///hook",
        "https://user@example.org/",
        "https://user:S3CRET@example.org/",
        "https://@example.org/",
        "https://example.org/#S3CRET",
        "https://example.org:0/",
        "https://example.org:99999/",
        "https://example.org:S3CRET/",
        "https://[S3CRET/",
        "https://exa mple.org/",
        "https://example.org/\r\nX: y",
        "https://example.org\\@evil.example/",
        "https://example.org/\x00",
        "https://example.org/\u202e",
        "https://b\u00fccher.example/",
        "https://example.org/" + "x" * 2000,
    ],
)
def test_what_is_no_address_for_notices_is_refused_without_repeating_it(url: str):
    with pytest.raises(ValueError, match=r"^(holds|names|may|has)") as caught:
        webhook_url(url)
    assert "S3CRET" not in str(caught.value)


class Names:
    """A resolver whose every answer is the next one; `asked` counts."""

    def __init__(self, *answers: str | None) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    async def __call__(self, host: str, port: int) -> Sequence[Address]:
        self.asked.append((host, port))
        answer = self._answers.pop(0)
        if answer is None:
            raise OSError("no such name")
        return [ip_address(each) for each in answer.split()]


@asynccontextmanager
async def sender(names: Names, *, private: bool) -> AsyncIterator[Sender]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield Sender(client, private=private, resolve=names, deadline_s=5)


async def test_a_name_is_asked_once_and_what_it_said_is_connected_to():
    """So that a name which answers otherwise the second time gains nothing."""
    names = Names("127.0.0.1", "10.0.0.1")
    async with receiving() as receiver, sender(names, private=True) as out:
        port = urlsplit(receiver.url).port
        assert await out.post(f"http://localhost:{port}/hook", {}, b"{}") == 204
        assert names.asked == [("localhost", port)]
        assert receiver.got[0].headers["host"] == f"localhost:{port}"


async def test_another_address_is_tried_when_the_first_does_not_answer():
    async with receiving() as receiver, sender(Names("127.0.0.2 127.0.0.1"), private=True) as out:
        port = urlsplit(receiver.url).port
        assert await out.post(f"http://localhost:{port}/hook", {}, b"{}") == 204
    assert len(receiver.got) == 1


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]"])
async def test_the_machine_itself_is_refused_unless_allowed(host: str):
    async with receiving() as receiver, open_sender() as out:
        port = urlsplit(receiver.url).port
        with pytest.raises(Undelivered, match="forbidden_address"):
            await out.post(f"http://{host}:{port}/hook", {}, b"{}")
    assert receiver.got == []


@pytest.mark.parametrize("host", ["2130706433", "127.1", "0x7f000001"])
async def test_an_address_in_disguise_is_seen_through(host: str):
    async with open_sender() as out:
        with pytest.raises(Undelivered, match="forbidden_address"):
            await out.post(f"https://{host}/hook", {}, b"{}")


async def test_a_name_without_an_address_and_an_address_we_never_send_to():
    async with sender(Names(None), private=True) as out:
        with pytest.raises(Undelivered, match="no_such_host"):
            await out.post("https://nowhere.example/", {}, b"{}")
        with pytest.raises(Undelivered, match="forbidden_url"):
            await out.post("ftp://nowhere.example/", {}, b"{}")


async def test_each_way_of_not_answering_has_its_name():
    async with sender(Names("127.0.0.1", "127.0.0.1"), private=True) as out:
        async with receiving() as receiver:
            port = urlsplit(receiver.url).port
            with pytest.raises(Undelivered, match="untrusted"):
                await out.post(f"https://localhost:{port}/hook", {}, b"{}")
        with pytest.raises(Undelivered, match="unreachable"):
            await out.post(f"http://localhost:{port}/hook", {}, b"{}")


async def test_a_receiver_that_hangs_up_or_never_answers_is_left():
    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, sender(Names("127.0.0.1"), private=True) as out:
        with pytest.raises(Undelivered, match="broken_off"):
            await out.post(f"http://localhost:{port}/", {}, b"{}")
    async with receiving() as receiver, open_sender(private=True, deadline_s=0.2) as out:
        receiver.answers = ["hang"]
        with pytest.raises(Undelivered, match="timeout"):
            await out.post(f"{receiver.url}/", {}, b"{}")
        assert len(receiver.got) == 1


async def test_no_proxy_sees_a_notice(monkeypatch: pytest.MonkeyPatch):
    async with receiving() as proxy, receiving() as receiver:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        async with open_sender(private=True) as out:
            await out.post(f"{receiver.url}/", {}, b"{}")
    assert (len(receiver.got), proxy.got) == (1, [])


@pytest.fixture
def _nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("URL", "SECRET", "EVENTS", "ALLOW_PRIVATE", "DESK_URL"):
        monkeypatch.delenv(f"GALLEY_WEBHOOK_{name}", raising=False)


@pytest.mark.usefixtures("_nothing_set")
def test_without_settings_nobody_is_told():
    found = load(Webhook)
    assert (found.url, found.secret, found.allow_private) == ("", None, False)
    assert found.events == ("review", "failed", "complete")


@pytest.mark.usefixtures("_nothing_set")
def test_an_address_without_a_secret_refuses_to_start(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GALLEY_WEBHOOK_URL", "https://hooks.example.org/a")
    with pytest.raises(Misconfigured, match="GALLEY_WEBHOOK_SECRET is wrong"):
        load(Webhook)
    monkeypatch.setenv("GALLEY_WEBHOOK_SECRET", "sixteen letters!")
    found = load(Webhook)
    assert found.secret == SecretStr("sixteen letters!")
    assert list(secrets(found)) == ["sixteen letters!"]
    assert "sixteen" not in repr(found)


@pytest.mark.usefixtures("_nothing_set")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("URL", "http://hooks.example.org/TOKEN"),
        ("SECRET", "TOKEN"),
        ("EVENTS", "review,TOKEN"),
        ("ALLOW_PRIVATE", "TOKEN"),
        ("DESK_URL", "TOKEN"),
    ],
)
def test_a_wrong_setting_is_named_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
):
    monkeypatch.setenv(f"GALLEY_WEBHOOK_{name}", value)
    with pytest.raises(Misconfigured) as caught:
        load(Webhook)
    assert f"GALLEY_WEBHOOK_{name} is wrong" in str(caught.value)
    assert "TOKEN" not in str(caught.value)


@pytest.mark.usefixtures("_nothing_set")
def test_in_a_local_plant_only_the_gateway_is_told_the_secret(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GALLEY_WEBHOOK_SECRET", "sixteen letters!")
    plant = Environment(
        nats="nats://127.0.0.1:1",
        passwords=dict.fromkeys((*SERVICES, "eraser"), "p"),
        dsn="postgresql://127.0.0.1:1/none",
        simulator="http://127.0.0.1:1",
        keys={},
        first_key=str(KEY),
        extra={},
    )
    told = {service for service in SERVICES if "sixteen letters!" in plant.of(service, 1).values()}
    assert told == {"gateway"}
    knowing = {service for service in SERVICES if str(KEY) in plant.of(service, 1).values()}
    assert knowing == {"gateway"}
