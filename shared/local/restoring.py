"""A plant's data directory made out of a backup: all of it or nothing, and never over a log.

The log is made beside its place by a server of its own and moved there when it is whole. A read
model that is there was made from another log: it is set aside, and the projector builds a new one.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

from shared.errors import Misconfigured
from shared.jetstream import ADMIN, USERS, connect, server_config
from shared.local.backup import put_all_back
from shared.local.nats_server import serve_nats
from shared.local.ownership import owned

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from shared.local.backup import Manifest, Progress
    from shared.local.layout import Layout

STAGING: Final = "nats.restoring"


async def restore(
    source: Path, manifest: Manifest, layout: Layout, now: datetime, progress: Progress
) -> Sequence[Path]:
    """Where what was there before has been set aside to.

    Raises `Misconfigured` when the directory is in use or holds a log, `LogUnavailable` when the
    backup cannot be put back; then the directory is as it was.
    """
    with owned(layout.root):
        if any(each.is_file() for each in (layout.nats / "jetstream").rglob("*")):
            raise Misconfigured(
                f"{layout.root} holds a log already: restore with another --data,"
                f" or move {layout.nats} away first"
            )
        staging = layout.root / STAGING
        shutil.rmtree(staging, ignore_errors=True)
        try:
            await _make(source, manifest, layout, staging, progress)
            return _settle(layout, staging, now)
        finally:
            shutil.rmtree(staging, ignore_errors=True)


async def _make(
    source: Path, manifest: Manifest, layout: Layout, staging: Path, progress: Progress
) -> None:
    passwords = layout.passwords(USERS)
    async with (
        serve_nats(server_config(passwords), staging) as server,
        connect(server.url, ADMIN, passwords[ADMIN], "restore") as admin,
    ):
        await put_all_back(admin, source, manifest, progress)


def _settle(layout: Layout, staging: Path, now: datetime) -> Sequence[Path]:
    """The log comes last: a restore that is cut off before leaves a directory without one."""
    aside = [path for path in (layout.postgres, layout.nats) if path.exists()]
    moved = [path.with_name(f"{path.name}.before-{now:%Y%m%dT%H%M%SZ}") for path in aside]
    for path, name in zip(aside, moved, strict=True):
        path.rename(name)
    staging.rename(layout.nats)
    return moved
