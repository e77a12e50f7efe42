"""Deciding and steering from a terminal: one request each, and one sentence about what came of it.

A decision always names the review it answers, so that repeating a command never approves the next
gate unread.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.cli.summary import advice
from shared.cli.terminal import say
from shared.client import Gateway
from shared.domain.values import ORDER
from shared.errors import GalleyError, Misconfigured

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from pathlib import Path

    from rich.console import Console

    from shared.cli.place import Place
    from shared.client import Post

    type Action = Callable[[Gateway], Awaitable[object]]


class NothingToDecide(GalleyError):
    """The stage does not wait for a decision."""


def stage_of(word: str) -> str:
    """A stage's name. Raises `Misconfigured` naming the six."""
    if word not in ORDER:
        raise Misconfigured(f"there is no stage {word!r}; there are {', '.join(ORDER)}")
    return word


async def approve(
    console: Console, place: Place, post_id: str, stage: str, *, note: str, edited: Path | None
) -> None:
    """Accept the open review of `stage`, with the text in `edited` if given."""
    named, content = stage_of(stage), None if edited is None else text_in(edited)
    async with Gateway(place.url, place.key) as gateway:
        review = _open(await gateway.post(post_id), named)
        decided = await gateway.approve(post_id, review, content=content, note=note)
        tell(console, place, decided)


async def reject(console: Console, place: Place, post_id: str, stage: str, *, note: str) -> None:
    """Refuse the open review of `stage`."""
    named = stage_of(stage)
    async with Gateway(place.url, place.key) as gateway:
        review = _open(await gateway.post(post_id), named)
        tell(console, place, await gateway.reject(post_id, review, note))


async def act(console: Console, place: Place, post_id: str, action: Action) -> None:
    """Ask for something that needs no more words, and tell where the post stands then."""
    async with Gateway(place.url, place.key) as gateway:
        await action(gateway)
        tell(console, place, await gateway.post(post_id))


def _open(post: Post, stage: str) -> int:
    """The review of this stage that is open. Raises `NothingToDecide`."""
    review = post["review"]
    if review is None:
        raise NothingToDecide(f"{stage} waits for no decision: the post is {_where(post)}")
    if review["stage"] != stage:
        raise NothingToDecide(f"{stage} waits for no decision, but {review['stage']} does")
    return review["seq"]


def tell(console: Console, place: Place, post: Mapping[str, Any]) -> None:
    """Where the post stands now, and what to do next."""
    say(console, f"Done. The post is {_where(post)}.")
    for line in advice(post, place):
        say(console, line)


def _where(post: Mapping[str, Any]) -> str:
    current = str(post["current_stage"])
    return f"at {current}" if current in ORDER else current


def text_in(path: Path) -> str:
    """What a file says. Raises `Misconfigured` for one that cannot be read as text."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError:
        raise Misconfigured(f"{path} is no text in UTF-8") from None
