"""What has been seen of a post so far, and the picture of it: six stages, the text, the bill."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from shared.cli.terminal import one_line
from shared.domain.values import ORDER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rich.console import RenderableType

    from shared.client import Event

MARKS = {"running": "▶", "complete": "✓", "failed": "✗", "review": "?"}
COLOURS = {"running": "cyan", "complete": "green", "failed": "red", "review": "yellow"}
LEVELS = {"warning": "yellow", "error": "red"}
BEGINS = {
    "stage_start": "running",
    "stage_complete": "complete",
    "stage_error": "failed",
    "stage_review": "review",
}
LONGEST_TAIL = 1_000
COLUMNS = 5


@dataclass
class Draft:
    """The text a stage is writing at this moment."""

    attempt: tuple[object, ...] = ()
    start: int = 0
    text: str = ""

    def take(self, data: Mapping[str, Any]) -> None:
        """Add a piece; a new attempt begins anew, and so does a piece that does not join on."""
        attempt = data["run"], data["key"], data["attempt"]
        place = int(data["offset"]) - self.start
        if attempt != self.attempt or not 0 <= place <= len(self.text):
            self.attempt, self.start, self.text = attempt, int(data["offset"]), ""
            place = 0
        self.text = self.text[:place] + str(data["text"])


@dataclass
class Watched:
    """One post as its events tell it. `paid` is what its calls have cost, settled."""

    status: dict[str, str] = field(default_factory=lambda: dict.fromkeys(ORDER, "pending"))
    figures: dict[str, dict[str, Any]] = field(default_factory=dict)
    since: dict[str, float] = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)
    draft: Draft = field(default_factory=Draft)
    paid: float = 0.0
    seen: int = 0

    def take(self, event: Event, now: float) -> list[Text]:
        """Remember an event; the lines to show for it, those of a snapshot all at once."""
        if event.name == "tokens":
            self.draft.take(event.data)
            return []
        if event.name == "reset":
            self._forget()
            return [Text("The log is another one than before: beginning anew.", style="yellow")]
        if event.name == "snapshot":
            return self._begin(event.data, now)
        return self._entry(event.name, event.data, now)

    def _forget(self) -> None:
        self.status, self.draft = dict.fromkeys(ORDER, "pending"), Draft()
        self.figures, self.since, self.images = {}, {}, {}
        self.paid, self.seen = 0.0, 0

    def _begin(self, post: Mapping[str, Any], now: float) -> list[Text]:
        """The state of a post, and those of its lines that were not shown before."""
        lines: list[Text] = []
        for entry in post["execution_logs"]:
            lines += self._entry(str(entry["event"]), entry, now)
        self.status |= post["stage_status"]
        self.figures |= post["stage_logs"]
        self.paid = float(post["ledger"]["settled_usd"])
        return lines

    def _entry(self, name: str, data: Mapping[str, Any], now: float) -> list[Text]:
        seq = int(data.get("seq") or 0)
        if seq and seq <= self.seen:
            return []
        self.seen = max(seq, self.seen)
        self._move(name, str(data.get("stage") or ""), data, now)
        return [log_line(data)] if data.get("message") else []

    def _move(self, name: str, stage: str, data: Mapping[str, Any], now: float) -> None:
        if name in ("image_generated", "image_failed"):
            self.images[name] = self.images.get(name, 0) + 1
        if name not in BEGINS or stage not in self.status:
            return
        self.status[stage], self.draft = BEGINS[name], Draft()
        if name == "stage_start":
            self.since[stage] = now
            if stage == "images":
                self.images = {}
        if name == "stage_complete":
            self.figures[stage] = dict(data.get("data") or {})


def log_line(entry: Mapping[str, Any]) -> Text:
    """One entry of the execution log."""
    line = Text(f"{one_line(entry.get('stage') or 'post'):<9}", style="dim")
    colour = LEVELS.get(str(entry.get("level")), "")
    return line + Text(one_line(entry.get("message", "")), style=colour)


def picture(watched: Watched, now: float) -> RenderableType:
    """Ten lines that stay in place while the log runs by above them."""
    table = Table.grid(padding=(0, 2))
    for _ in range(COLUMNS):
        table.add_column(no_wrap=True)
    for stage in ORDER:
        table.add_row(*_row(watched, stage, now))
    parts: list[RenderableType] = [Text(), table]
    if watched.draft.text:
        parts.append(_tail(watched.draft.text))
    parts.append(Text(f"Paid so far: ${watched.paid:.4f}", style="dim"))
    return Group(*parts)


def _tail(text: str) -> Table:
    """The end of what is being written, as much as one line holds."""
    end = " ".join(text[-LONGEST_TAIL:].split())
    shown = Table.grid(expand=True)
    shown.add_row(_Tail(one_line(end)))
    return shown


class _Tail:
    """A text of which the last words are shown, however narrow the terminal is."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __rich_console__(self, _console: object, options: Any) -> Iterable[Text]:  # noqa: ANN401  rich's own
        width = options.max_width - 2
        cut = Text(self._text, style="italic dim")
        while cut.cell_len > width:
            cut = cut[max(1, (cut.cell_len - width) // 2) :]
        yield Text("… ", style="dim") + cut


def _row(watched: Watched, stage: str, now: float) -> tuple[RenderableType, ...]:
    status = watched.status[stage]
    style = COLOURS.get(status, "dim")
    name = Text(stage, style=style)
    if status == "running":
        took = Text(f"{now - watched.since.get(stage, now):.0f} s", style=style, justify="right")
        return Spinner("dots", style=style), name, took, Text(), _progress(watched, stage)
    mark = Text(MARKS.get(status, "·"), style=style)
    return mark, name, *_figures(watched, stage), _note(watched, stage)


def _figures(watched: Watched, stage: str) -> tuple[Text, Text]:
    took = watched.figures.get(stage)
    if not took:
        return Text(), Text()
    seconds, cost = took.get("duration_s") or 0, took.get("cost_usd") or 0
    return (
        Text(f"{float(seconds):.1f} s", justify="right"),
        Text(f"${float(cost):.4f}", justify="right"),
    )


def _progress(watched: Watched, stage: str) -> Text:
    """What can be said of a stage at work."""
    if stage == "images":
        return _note(watched, stage)
    words = len(watched.draft.text.split())
    return Text(f"{words:,} words" if words else "", style="dim")


def _note(watched: Watched, stage: str) -> Text:
    if stage != "images" or not watched.images:
        return Text()
    made, failed = (watched.images.get(f"image_{word}", 0) for word in ("generated", "failed"))
    note = Text(f"{made} made", style="dim")
    return note.append(f", {failed} failed", style="red") if failed else note
