"""Which log the server holds, and how far it reaches."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from shared.errors import LogUnavailable
from shared.eventlog import LogState
from shared.jetstream.rights import STREAM

if TYPE_CHECKING:
    from shared.jetstream.connection import Connection


async def state_of(connection: Connection) -> LogState:
    """The log's state. Its identity is when its stream was made: no two logs share one."""
    answer = await connection.requests.one(f"$JS.API.STREAM.INFO.{STREAM}")
    try:
        told = json.loads(answer.data)
        if "error" in told:
            words = told["error"].get("description", "")
            raise LogUnavailable(f"no log on this server ({words}); `galley topology` makes one")
        state = told["state"]
        return LogState(
            identity=f"{STREAM} {told['created']}", first=state["first_seq"], last=state["last_seq"]
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LogUnavailable("the server's answer about the log makes no sense") from error
