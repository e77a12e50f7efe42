"""Commands for containers and operators: become one service, prepare a NATS server."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from shared.cli import plant
from shared.cli.options import OPERATE, finish
from shared.cli.terminal import out
from shared.errors import Misconfigured
from shared.local.environment import SERVICES

app = typer.Typer()


@app.command(rich_help_panel=OPERATE)
def run(
    service: Annotated[str, typer.Argument(metavar="SERVICE", help=", ".join(SERVICES))],
) -> int:
    """Become one service, set up by GALLEY_ variables, as a container does."""
    if service not in SERVICES:
        raise Misconfigured(f"there is no service {service!r}; there are {', '.join(SERVICES)}")
    command = [sys.executable, "-P", "-m", f"services.{service}"]
    os.execv(command[0], command)  # noqa: S606  (no shell: that is the point)


@app.command(rich_help_panel=OPERATE)
def topology() -> int:
    """Create or update what the log needs on the NATS server that GALLEY_NATS_ variables name."""
    return finish(plant.topology(out()))
