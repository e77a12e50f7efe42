"""Handing in a topic, looking at posts and fetching their articles, for people at a terminal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.text import Text

from shared.cli.follow import follow_post
from shared.cli.lookup import profile_of
from shared.cli.summary import summarize
from shared.cli.terminal import emit, one_line, say
from shared.cli.watched import log_line
from shared.client import Gateway
from shared.domain.values import ORDER, GateMode
from shared.errors import Misconfigured

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from rich.console import Console

    from shared.cli.place import Place
    from shared.client import Post, PostSummary

COMPLETE = "complete"


def topic_of(words: str) -> str:
    """A topic as one line, however it was quoted. Raises `Misconfigured` for none at all."""
    topic = " ".join(words.split())
    if not topic:
        raise Misconfigured("the topic is empty: say what the article is about")
    try:
        topic.encode()
    except UnicodeEncodeError:
        raise Misconfigured("the topic is no valid text: write it in UTF-8") from None
    return topic


def gates(asked: Iterable[str]) -> dict[str, str]:
    """`STAGE=MODE` words as a mapping. Raises `Misconfigured` naming what is legal."""
    found: dict[str, str] = {}
    for word in asked:
        stage, _, mode = word.partition("=")
        if stage not in ORDER or mode not in set(GateMode):
            message = f"{word!r} is no gate: say STAGE=MODE with a stage of {', '.join(ORDER)}"
            raise Misconfigured(f"{message} and a mode of {', '.join(GateMode)}")
        if found.setdefault(stage, mode) != mode:
            raise Misconfigured(f"{stage} has two gates, {found[stage]} and {mode}: say one")
    return found


@dataclass(frozen=True, slots=True)
class Order:
    """What is handed in: the topic, further fields, a profile's name and a word against repeats."""

    topic: str
    fields: Mapping[str, object]
    profile: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Which posts to list."""

    status: str | None
    search: str | None
    everything: bool


async def create(
    console: Console, place: Place, order: Order, *, follow: bool, as_json: bool
) -> int:
    """Hand in a topic; with `follow`, watch it until it rests: 1 when a stage failed."""
    async with Gateway(place.url, place.key) as gateway:
        made = await _handed_in(gateway, order)
        if as_json:
            emit(console, made)
            return 0
        say(console, f"Post {made['id']} is in the press, as {made['slug']}.")
        if not follow:
            look = place.command("show", made["id"])
            say(console, f"Look at it with: {look}, or at {place.url}/")
            return 0
        post = await follow_post(console, gateway, made["id"])
    summarize(console, post, place)
    if post["current_stage"] == COMPLETE:
        say(console, f"Take it away with: {place.command('export', post['id'])}", "green")
    return int(post["current_stage"] == "failed")


async def _handed_in(gateway: Gateway, order: Order) -> Post:
    said = dict(order.fields)
    if order.profile is not None:
        said["profile_id"] = (await profile_of(gateway, order.profile))["id"]
    return await gateway.create(order.topic, fields=said, idempotency_key=order.key)


async def show(console: Console, place: Place, post_id: str, *, as_json: bool) -> None:
    """Print where a post stands."""
    async with Gateway(place.url, place.key) as gateway:
        post = await gateway.post(post_id)
    if as_json:
        emit(console, post)
        return
    say(console, Text(one_line(post["topic"]), style="bold"))
    say(console, f"{post['slug']} ({post['current_stage']})")
    summarize(console, post, place)


async def listed(console: Console, place: Place, asked: Asked, *, as_json: bool) -> None:
    """Print the newest posts, or all of them."""
    async with Gateway(place.url, place.key) as gateway:
        found, total = await _found(gateway, asked)
    if as_json:
        emit(console, found)
        return
    for post in found:
        stands = Text(f"{one_line(post['current_stage']):<9} ", style="bold")
        say(console, Text(f"{post['id']}  ", style="dim") + stands + one_line(post["topic"]))
    say(console, f"{len(found):,} of {total:,} posts")


async def _found(gateway: Gateway, asked: Asked) -> tuple[list[PostSummary], int]:
    if asked.everything:
        every = gateway.each_post(status=asked.status, q=asked.search)
        found = [post async for post in every]
        return found, len(found)
    page = await gateway.posts(status=asked.status, q=asked.search)
    return page["items"], page["total"]


async def logs(
    console: Console,
    place: Place,
    post_id: str,
    level: Sequence[str],
    stage: str | None,
    *,
    as_json: bool,
) -> None:
    """Print the execution log."""
    async with Gateway(place.url, place.key) as gateway:
        entries = await gateway.logs(post_id, level=level, stage=stage)
    if as_json:
        emit(console, entries)
        return
    for entry in entries:
        say(console, _timed(entry))


def _timed(entry: Mapping[str, Any]) -> Text:
    return Text(f"{one_line(entry['ts'])[11:19]} ", style="dim") + log_line(entry)


async def export(console: Console, place: Place, post_id: str, to: Path | None) -> None:
    """Fetch the ZIP."""
    async with Gateway(place.url, place.key) as gateway:
        path = await write_zip(gateway, post_id, to)
    say(console, f"Wrote {path} ({path.stat().st_size:,} bytes).")


async def write_zip(gateway: Gateway, post_id: str, to: Path | None = None) -> Path:
    """Fetch the ZIP and write it, whole or not at all: to a file, into a folder, or here.

    Unless a file is named, it is called after the post's slug. Raises `Misconfigured` when it
    cannot be written there.
    """
    data = await gateway.export(post_id)
    path = to or Path()
    if path.is_dir():
        path /= f"{(await gateway.post(post_id))['slug']}.zip"
    half = path.with_name(f".{path.name}.part")
    try:
        half.write_bytes(data)
        half.replace(path)
    except OSError as error:
        raise Misconfigured(f"{path} cannot be written: {error.strerror}") from error
    return path
