"""The topology on a real server: made once, kept up to date, never forced on a foreign stream."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

import pytest
from nats.js import api
from rich.console import Console

from shared.cli.plant import topology
from shared.domain.values import ORDER
from shared.errors import LogUnavailable, Misconfigured
from shared.jetstream import ADMIN, ensure, open_log, server_config
from tests.integration.jetstream.server import PASSWORDS
from tests.integration.jetstream.stories import begin, new_post

if TYPE_CHECKING:
    from shared.jetstream import Connection, JetStreamLog
    from tests.integration.jetstream.conftest import Mortal
    from tests.integration.jetstream.server import GalleyNats

pytestmark = pytest.mark.integration


async def test_the_stream_allows_what_the_log_needs_and_nothing_that_could_forge_it(
    admin: Connection,
) -> None:
    config = (await admin.nc.jetstream().stream_info("GALLEY")).config
    assert config.subjects == ["posts.>", "slugs.>", "budgets.>", "docs.>"]
    assert config.allow_direct
    assert config.allow_atomic
    assert config.deny_delete
    assert not config.deny_purge
    assert not config.allow_rollup_hdrs
    assert not config.allow_msg_ttl
    assert not config.allow_msg_schedules
    assert config.max_consumers == 5000
    assert config.duplicate_window == 120


async def test_every_stage_has_its_consumer(admin: Connection) -> None:
    known = {each.name: each for each in await admin.nc.jetstream().consumers_info("GALLEY")}
    assert set(known) == set(ORDER)
    for stage in ORDER:
        config = known[stage].config
        assert config is not None
        assert config.filter_subject == f"posts.*.*.flow.{stage}.requested.*"
        assert (config.ack_wait, config.max_deliver, config.max_ack_pending) == (30, -1, 10_000)


async def test_made_again_it_keeps_everything(admin: Connection, log: JetStreamLog) -> None:
    run = await begin(log, new_post())
    before = await log.state()
    await ensure(admin)
    await ensure(admin, ack_wait=5)
    assert await log.state() == before
    assert before.last == run
    known = await admin.nc.jetstream().consumer_info("GALLEY", "edit")
    assert known.config is not None
    assert known.config.ack_wait == 5


async def test_the_command_hands_on_the_ack_wait_the_services_were_given(
    admin: Connection, galley_nats: GalleyNats, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"NATS_URL": galley_nats.url, "NATS_USER": ADMIN, "NATS_PASSWORD": PASSWORDS[ADMIN]}
    for name, value in (told | {"ACK_WAIT_S": "7"}).items():
        monkeypatch.setenv(f"GALLEY_{name}", value)
    await topology(Console(file=StringIO()))
    known = await admin.nc.jetstream().consumer_info("GALLEY", "write")
    assert known.config is not None
    assert known.config.ack_wait == 7


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"storage": api.StorageType.MEMORY}, "storage is memory"),
        ({"allow_rollup_hdrs": True}, "allow_rollup_hdrs"),
        ({"allow_msg_ttl": True}, "allow_msg_ttl"),
        ({"max_age": 3600}, "max_age"),
        ({"max_msgs": 10}, "max_msgs"),
        ({"deny_delete": False}, "deny_delete"),
        ({"subjects": ["posts.>", "orders.>"]}, "orders.>"),
    ],
)
async def test_a_stream_that_contradicts_is_refused_and_left_alone(
    mortal: Mortal, change: dict[str, object], words: str
) -> None:
    async with mortal.galley.connect(ADMIN) as admin:
        js = admin.nc.jetstream()
        await js.delete_stream("GALLEY")
        foreign = api.StreamConfig(name="GALLEY", subjects=["posts.>"], deny_delete=True)
        await js.add_stream(foreign.evolve(**change))
        before = (await js.stream_info("GALLEY")).config
        with pytest.raises(Misconfigured, match=words):
            await ensure(admin)
        assert (await js.stream_info("GALLEY")).config == before


async def test_without_the_topology_the_log_says_what_to_do(mortal: Mortal) -> None:
    async with mortal.galley.connect(ADMIN) as admin:
        await admin.nc.jetstream().delete_stream("GALLEY")
        with pytest.raises(LogUnavailable, match="galley topology"):
            await open_log(admin, ADMIN).state()


def test_a_user_without_a_password_is_named() -> None:
    some = {user: word for user, word in PASSWORDS.items() if user not in ("edit", "eraser")}
    with pytest.raises(Misconfigured, match="edit, eraser"):
        server_config(some)
    with pytest.raises(Misconfigured, match="ready"):
        server_config(PASSWORDS | {"ready": ""})


def test_a_configuration_says_where_only_if_told() -> None:
    assert "listen" not in server_config(PASSWORDS)
    assert "store_dir" not in server_config(PASSWORDS)
    assert "http" not in server_config(PASSWORDS)
    told = server_config(PASSWORDS, port=4222, monitor_port=8222, sync_interval="2m")
    assert 'listen: "127.0.0.1:4222"' in told
    assert 'http: "127.0.0.1:8222"' in told
    assert 'sync_interval: "2m"' in told
