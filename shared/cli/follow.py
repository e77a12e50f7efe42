"""Watching one post live: its six stages, its log, the text as it is written, and the bill.

On a terminal the picture stays in place; in a pipe every event is a line.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from shared.domain.values import ORDER

if TYPE_CHECKING:
    from typing import Any

    from rich.console import Console, RenderableType

    from shared.client import Event, Gateway

ENDS = ("pipeline_complete", "stage_error", "stage_review")
SHOWN_LINES = 8
SHOWN_TEXT = 320
MARKS = {"running": "▶", "complete": "✓", "failed": "✗", "review": "?", "pending": "·"}
COLOURS = {"running": "cyan", "complete": "green", "failed": "red", "review": "yellow"}


@dataclass
class Watched:
    """What has been seen of a post so far."""

    status: dict[str, str] = field(default_factory=lambda: dict.fromkeys(ORDER, "pending"))
    took: dict[str, dict[str, Any]] = field(default_factory=dict)
    since: dict[str, float] = field(default_factory=dict)
    lines: deque[Text] = field(default_factory=lambda: deque(maxlen=SHOWN_LINES))
    text: str = ""

    def take(self, event: Event) -> Text | None:
        """Remember an event; the line to show for it, if it has one."""
        data = event.data
        stage = str(data.get("stage") or "")
        if event.name == "tokens":
            self.text = (self.text + str(data.get("text", "")))[-SHOWN_TEXT:]
            return None
        self._move(event.name, stage, data)
        message = data.get("message")
        if not message:
            return None
        line = Text(f"{stage or 'post':<8} ", style="dim")
        line.append(str(message), style="red" if event.name == "stage_error" else "")
        self.lines.append(line)
        return line

    def _move(self, name: str, stage: str, data: dict[str, Any]) -> None:
        if name == "stage_start":
            self.status[stage], self.since[stage], self.text = "running", time.monotonic(), ""
        elif name == "stage_complete":
            self.status[stage], self.took[stage], self.text = "complete", data, ""
        elif name == "stage_error":
            self.status[stage] = "failed"
        elif name == "stage_review":
            self.status[stage] = "review"

    def cost(self) -> float:
        return sum(float(_figure(took, "cost_usd")) for took in self.took.values())


def _figure(took: dict[str, Any], name: str) -> float:
    """Figures stand in the event itself or in its `data`."""
    inner = took.get("data") or {}
    return float(took.get(name) or inner.get(name) or 0)


async def follow_post(console: Console, gateway: Gateway, post_id: str) -> str:
    """Show the post until it is complete, failed or waits for a person; the event that ended it."""
    watched = Watched()
    if not console.is_terminal:
        return await _told(console, gateway, post_id, watched)
    with Live(_picture(watched), console=console, refresh_per_second=8) as live:
        async for event in gateway.follow(post_id):
            watched.take(event)
            live.update(_picture(watched))
            if event.name in ENDS:
                return event.name
    return ""


async def _told(console: Console, gateway: Gateway, post_id: str, watched: Watched) -> str:
    async for event in gateway.follow(post_id):
        line = watched.take(event)
        if line is not None:
            console.print(line)
        if event.name in ENDS:
            return event.name
    return ""


def _picture(watched: Watched) -> RenderableType:
    table = Table.grid(padding=(0, 2))
    for stage in ORDER:
        table.add_row(*_row(watched, stage))
    parts: list[RenderableType] = [table, Text()]
    parts.extend(watched.lines)
    if watched.text:
        parts += [Text(), Text("… " + watched.text.replace("\n", " "), style="italic dim")]
    parts.append(Text(f"\nPaid so far: ${watched.cost():.4f}", style="dim"))
    return Group(*parts)


def _row(watched: Watched, stage: str) -> tuple[RenderableType, ...]:
    status = watched.status[stage]
    style = COLOURS.get(status, "dim")
    name = Text(stage, style=style)
    if status == "running":
        elapsed = time.monotonic() - watched.since.get(stage, time.monotonic())
        return Spinner("dots", style=style), name, Text(f"{elapsed:.0f} s", style=style), Text()
    took = watched.took.get(stage)
    figures = (
        (Text(f"{_figure(took, 'duration_s'):.1f} s"), Text(f"${_figure(took, 'cost_usd'):.4f}"))
        if took
        else (Text(), Text())
    )
    return Text(MARKS.get(status, "·"), style=style), name, *figures
