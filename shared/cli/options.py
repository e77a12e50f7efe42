"""The options that several commands share, and how a command's coroutine becomes its exit code."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Coroutine

DONE, FAILED, USAGE = 0, 1, 2

Data = Annotated[
    Path, typer.Option("--data", metavar="DIR", help="Where the plant keeps everything.")
]
Url = Annotated[
    str,
    typer.Option(
        "--url",
        metavar="URL",
        envvar="GALLEY_URL",
        help="The gateway to ask. [default: the plant on --data]",
    ),
]
PostId = Annotated[str, typer.Argument(metavar="POST", help="The post's id.")]
Reviewed = Annotated[
    str, typer.Argument(metavar="STAGE", help="The stage whose result you have looked at.")
]


def finish(command: Coroutine[object, object, int | None]) -> int:
    """Carry it out; its exit code."""
    return asyncio.run(command) or DONE
