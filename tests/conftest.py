"""Real servers for every test that asks: one of each for the whole run, started when first wanted.

They run in their own processes and write their own logs, so they need no event loop of ours between
the tests. Whoever needs an untouched server takes `fresh_nats` or `fresh_database`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import pytest_asyncio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from shared.local.nats_server import NatsServer
    from shared.local.postgres import Postgres

# What a power cut would lose does not matter to a test.
FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
SERVER_FIXTURES = {"nats_server", "fresh_nats", "postgres", "fresh_database"}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all-failpoints", action="store_true", help="the whole matrix of tests/failpoints"
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever asks for a real server is an integration test; nobody has to remember it."""
    for item in items:
        if SERVER_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("integration")


@pytest.fixture(scope="session")
def nats_config() -> str:
    """What the test servers are configured with; a folder that needs users overrides it."""
    return "jetstream { limits { batch { max_msgs: 5000 } } }\nmax_payload: 8MB\n"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def nats_server(
    nats_config: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[NatsServer]:
    """A nats-server for the whole run: choose streams and subjects so that tests cannot meet."""
    from shared.local.nats_server import serve_nats

    async with serve_nats(nats_config, tmp_path_factory.mktemp("nats")) as server:
        yield server


@pytest.fixture
async def fresh_nats(nats_config: str, tmp_path: Path) -> AsyncIterator[NatsServer]:
    """A nats-server for this test alone, with nothing in it."""
    from shared.local.nats_server import serve_nats

    async with serve_nats(nats_config, tmp_path / "nats") as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Postgres]:
    """A Postgres shared by the whole run; take a database of your own with `fresh_database`."""
    from shared.local.postgres import serve_postgres

    async with serve_postgres(tmp_path_factory.mktemp("postgres"), settings=FORGETFUL) as server:
        yield server


@pytest.fixture
async def fresh_database(postgres: Postgres) -> AsyncIterator[str]:
    """The address of an empty database for this test alone."""
    name = f"test_{uuid4().hex}"
    await postgres.create_database(name)
    yield postgres.dsn_of(name)
    await postgres.drop_database(name)
