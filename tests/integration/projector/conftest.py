"""A migrated database for each test of the projector, and a connection to look into it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import asyncpg
import pytest

from services.projector.migrations import migrate
from tests.integration.projector.reading import Reading

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
async def dsn(fresh_database: str) -> str:
    """The address of a read model without rows."""
    await migrate(fresh_database)
    return fresh_database


@pytest.fixture
async def db(dsn: str) -> AsyncIterator[Reading]:
    """What a test sees of that read model."""
    connection = await asyncpg.connect(dsn)
    yield Reading(connection)
    await connection.close()
