"""Handing in a topic, looking at posts and fetching their articles, for people at a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from shared.cli.follow import follow_post
from shared.client import Gateway
from shared.domain.values import ORDER, GateMode, Stage
from shared.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from rich.console import Console

COLOURS = {"info": "default", "warning": "yellow", "error": "red"}


def gates(asked: Iterable[str]) -> dict[str, str]:
    """`STAGE=MODE` words as a mapping. Raises `Misconfigured` naming what is legal."""
    found: dict[str, str] = {}
    for word in asked:
        stage, _, mode = word.partition("=")
        if stage not in ORDER or mode not in set(GateMode):
            message = f"{word!r} is no gate: say STAGE=MODE with a stage of {', '.join(Stage)}"
            raise Misconfigured(f"{message} and a mode of {', '.join(GateMode)}")
        found[stage] = mode
    return found


async def create(
    console: Console,
    url: str,
    topic: str,
    gates: Mapping[str, str],
    *,
    words: int | None,
    follow: bool,
) -> None:
    async with Gateway(url) as gateway:
        made = await gateway.create(topic, gates=gates, fields=_fields(words))
        console.print(f"Post {made['id']} ({made['slug']}) is in the press.")
        if follow:
            await follow_post(console, gateway, made["id"])
        else:
            console.print(f"Watch it: galley show {made['id']}, or {url}/")


def _fields(words: int | None) -> dict[str, object]:
    return {} if words is None else {"word_count": words}


async def show(console: Console, url: str, post_id: str) -> None:
    async with Gateway(url) as gateway:
        post = await gateway.post(post_id)
    console.print(Text(post["topic"], style="bold"), f"({post['current_stage']})", post["slug"])
    console.print(stage_table(post))
    for line in _open_ends(post):
        console.print(line)


def stage_table(post: Mapping[str, Any]) -> Table:
    """One row per stage: where it stands and what it took."""
    table = Table("Stage", "Status", "Gate", "Model", "Tokens in", "out", "Seconds", "US$")
    for stage in ORDER:
        took = post["stage_logs"].get(stage, {})
        table.add_row(
            stage,
            post["stage_status"].get(stage, "pending") + _stale(post, stage),
            post["stage_settings"].get(stage, "auto"),
            str(took.get("model", "")),
            f"{took['tokens_in']:,}" if took else "",
            f"{took['tokens_out']:,}" if took else "",
            f"{took['duration_s']:.1f}" if took else "",
            f"{took['cost_usd']:.4f}" if took else "",
        )
    return table


def _stale(post: Mapping[str, Any], stage: str) -> str:
    return " (stale)" if stage in post.get("stale", ()) else ""


def _open_ends(post: Mapping[str, Any]) -> Iterable[str]:
    book = post["ledger"]
    yield f"Paid ${book['settled_usd']:.4f}."
    for each in book["unconfirmed"]:
        yield f"Not confirmed: {each['call']} may have cost up to ${each['worst_case_usd']:.4f}."
    if review := post.get("review"):
        named = f"review {review['seq']}, {review['mode']}"
        yield f"Waits for a person after {review['stage']} ({named})."
    for stage, failure in (post.get("failures") or {}).items():
        yield f"{stage} failed ({failure['code']}): {failure['message']}"
        yield f"Once the cause is gone: POST /api/posts/{post['id']}/rerun/{stage}?cascade=true"


async def logs(
    console: Console, url: str, post_id: str, level: Sequence[str], stage: str | None
) -> None:
    async with Gateway(url) as gateway:
        for entry in await gateway.logs(post_id, level=level, stage=stage):
            console.print(log_line(entry))


def log_line(entry: Mapping[str, Any]) -> Text:
    """One entry on one line; its text is shown as it is, never read as markup."""
    when = str(entry.get("ts") or entry.get("timestamp") or "")[11:19]
    line = Text(f"{when} {entry.get('stage') or 'post':<8} ", style="dim")
    line.append(str(entry.get("message", "")), style=COLOURS.get(entry.get("level", "info"), ""))
    return line


async def export(console: Console, url: str, post_id: str, to: Path | None) -> None:
    async with Gateway(url) as gateway:
        path = await write_zip(gateway, post_id, to)
    console.print(f"Wrote {path} ({path.stat().st_size:,} bytes).")


async def write_zip(gateway: Gateway, post_id: str, to: Path | None = None) -> Path:
    """Fetch the ZIP and write it; unless named otherwise, below the present directory by slug."""
    data = await gateway.export(post_id)
    path = to or Path(f"{(await gateway.post(post_id))['slug']}.zip")
    path.write_bytes(data)
    return path
