"""The commands of `galley`, and how every error reaches the person: one sentence, never a
traceback.

Exit codes: 0 done, 1 failed or refused, 2 wrong usage or a wrong setting, 3 the state of the post
(or document) does not allow it, 4 no gateway answers, 130 interrupted.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

import typer

from shared import logs as logging_setup
from shared.cli import (
    backups,
    batch,
    budget,
    changing,
    costs,
    dead,
    desk,
    keys,
    operating,
    profiles,
    queue,
    rules,
    settings,
    starting,
    steering,
)
from shared.cli.control import NothingToDecide
from shared.cli.options import AWAY, DONE, FAILED, OPERATE, PRESS, STATE, TERMS, USAGE
from shared.cli.plant import INTERRUPTED
from shared.cli.terminal import err, say
from shared.domain.values import ORDER
from shared.errors import GalleyError, GatewayAway, Misconfigured, NotAdmitted, StateConflict

if TYPE_CHECKING:
    from collections.abc import Sequence

_KEYS = (
    "`galley` takes the key of the plant on --data, else that in GALLEY_API_KEY;"
    " an admin makes one with `galley keys create`"
)

app = typer.Typer(
    name="galley",
    help="Turns a topic into a publishable, illustrated article.\n\nBegin with `galley demo`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    add_completion=False,
)

for each in (starting, desk, batch, changing, steering, queue, costs, budget):
    app.add_typer(each.app)
app.add_typer(
    dead.app,
    name="dead",
    rich_help_panel=PRESS,
    help="What failed for good: list it, retry it, discard it.",
)
for group, named, told in (
    (profiles, "profiles", "What the posts of one site have in common."),
    (settings, "settings", "Gates, models, concurrency, budgets and the webhook, for all posts."),
    (rules, "rules", "What each stage is told to be and to do, every version kept."),
):
    app.add_typer(group.app, name=named, help=told, rich_help_panel=TERMS)
app.add_typer(
    keys.app, name="keys", rich_help_panel=OPERATE, help="Who may ask the gateway, and for what."
)
app.add_typer(operating.app)
app.add_typer(backups.app)


def main() -> None:
    """The entry point of the `galley` script."""
    logging_setup.configure("galley", "console", level=logging.WARNING)
    sys.exit(outcome(sys.argv[1:]))


def outcome(arguments: Sequence[str]) -> int:
    """Carry out a command line; its exit code."""
    complain = partial(say, err(), style="bold red")
    try:
        return app(list(arguments), standalone_mode=False) or DONE
    except typer.TyperException as error:
        return _misused(error, arguments)
    except GalleyError as error:
        complain(f"galley: {error}{_now(error)}")
        return _code(error)
    except BrokenPipeError:
        # Who read us has gone; what is left in the buffer must not be tried again at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except (asyncio.CancelledError, KeyboardInterrupt, typer.Abort) as end:
        complain(f"galley: {str(end) or 'interrupted'}")
        return INTERRUPTED


def _code(error: GalleyError) -> int:
    match error:
        case Misconfigured():
            return USAGE
        case StateConflict() | NothingToDecide():
            return STATE
        case GatewayAway():
            return AWAY
        case _:
            return FAILED


def _now(error: GalleyError) -> str:
    """Where the post stands that would not have it, or where a key is to be found."""
    if isinstance(error, NotAdmitted) and error.status == HTTPStatus.UNAUTHORIZED:
        return f" ({_KEYS})"
    if not isinstance(error, StateConflict) or not error.current_stage:
        return ""
    where = error.current_stage
    return f" (the post is {f'at {where}' if where in ORDER else where})"


def _misused(error: typer.TyperException, arguments: Sequence[str]) -> int:
    """Wrong usage as one sentence; no command at all has been answered with the help."""
    sentence = error.format_message().rstrip(".").replace("\n", " ")
    if arguments and sentence:
        say(err(), f"galley: {sentence}; see galley --help", "bold red")
    return error.exit_code
