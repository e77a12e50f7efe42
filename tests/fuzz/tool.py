"""schemathesis as a child process: every route, every check that says something about answers.

The streams never end, so it reads the first events of each, or for a second. How long an answer
takes is no promise of the document: only one that never comes is found.
"""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
PROGRAM = Path(sys.executable).with_name("st")
HOOKS = "tests.fuzz.hooks"
CONFIG = """
[[operations]]
include-path-regex = "^/api/events"
max-stream-events = 3
request-timeout = 1
"""
REVOKED = "/api/keys/{key_id}"
ALL = ("examples", "coverage", "fuzzing", "stateful")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """How much to try. `cases` are those of one route in one phase; `coverage` makes its own."""

    cases: int
    seed: int
    phases: Sequence[str] = ALL
    patience_s: int = 300

    def command(self, url: str, key: str) -> tuple[str, ...]:
        return (
            *(str(PROGRAM), "run", f"{url}/openapi.json", "--checks", "all"),
            # Whoever is let try it revokes the very key that the others are tried with.
            *("--header", f"Authorization: Bearer {key}", "--exclude-path", REVOKED),
            *("--max-response-time", str(self.patience_s)),
            *("--phases", ",".join(self.phases), "--continue-on-failure"),
            *("--max-examples", str(self.cases), "--seed", str(self.seed)),
            *("--generation-database", "none"),
            *("--suppress-health-check", "all", "--request-timeout", str(self.patience_s)),
            *("--no-color", "--warnings", "off"),
        )


async def fuzz(
    url: str, key: str, folder: Path, run: Run, output: int | None = None
) -> tuple[int, str]:
    """Run it against a gateway; its exit code, and what it said unless that went to `output`."""
    (folder / "schemathesis.toml").write_text(CONFIG)
    running = await asyncio.create_subprocess_exec(
        *run.command(url, key),
        cwd=folder,
        env={**os.environ, "SCHEMATHESIS_HOOKS": HOOKS, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE if output is None else output,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await running.communicate()
    finally:
        if running.returncode is None:
            running.kill()
            await running.wait()
    return running.returncode or 0, (said or b"").decode()
