"""The options that several commands share, their places in the help, and how a command's coroutine
becomes its exit code."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Coroutine

DONE, FAILED, USAGE, STATE, AWAY = 0, 1, 2, 3, 4

WATCHED = "watching ended"
GOES_ON = f"{WATCHED}; what is in the press goes on"

BEGIN = "Begin here"
POSTS = "Posts"
STEER = "Decide and steer"
PRESS = "The press as a whole"
TERMS = "What holds for posts to come"
OPERATE = "For containers and operators"

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
AsJson = Annotated[bool, typer.Option("--json", help="For programs: the gateway's own words.")]
Key = Annotated[
    str | None,
    typer.Option("--key", help="A word of yours: said again with it, nothing is made twice."),
]
Gates = Annotated[
    list[str] | None,
    typer.Option(
        "--gate",
        metavar="STAGE=MODE",
        help="After this stage: auto (go on), review or approve_only (wait for a person);"
        " repeatable.",
    ),
]
Fields = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[FIELD=VALUE]...",
        help="As word_count=1200 or 'related_keywords=rye;oats'; without a value: the default.",
    ),
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def finish(command: Coroutine[object, object, int | None], ended: str = "") -> int:
    """Carry it out; its exit code. `ended` is what Ctrl-C means for it, if more than "interrupted".

    Raises `typer.Abort` with that word: of a KeyboardInterrupt Typer makes an exit code in silence.
    """
    try:
        return asyncio.run(command) or DONE
    except KeyboardInterrupt:
        raise typer.Abort(ended) from None
