"""Whose fault an error is: the surroundings are waited for, a fact is set aside."""

from __future__ import annotations

import asyncpg
import pytest

from services.projector.store import surroundings
from shared.errors import LogUnavailable


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError(),
        TimeoutError(),
        LogUnavailable("away"),
        asyncpg.ConnectionDoesNotExistError("gone"),
        asyncpg.AdminShutdownError("ended by the administrator"),
        asyncpg.InterfaceError("the connection is closed"),
        asyncpg.InternalClientError("cannot switch to state 12; another operation is in progress"),
    ],
)
def test_an_outage_is_waited_for(error: Exception) -> None:
    assert surroundings(error)


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.DataError("no such day"),
        asyncpg.ProgramLimitExceededError("too large"),
        asyncpg.CheckViolationError("refused"),
        KeyError("a defect of ours"),
    ],
)
def test_a_fact_that_cannot_be_written_is_no_outage(error: Exception) -> None:
    assert not surroundings(error)
