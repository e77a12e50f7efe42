"""Watching one post until it rests: complete, failed, or waiting for a person.

On a terminal the log runs by above a picture that stays in place; in a pipe every event is a line.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

from rich.live import Live

from shared.cli.terminal import say
from shared.cli.watched import Watched, picture
from shared.client import Event
from shared.errors import GatewayAway

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console
    from rich.text import Text

    from shared.client import Gateway, Post

MOVES_ON = ("worker", "time")
"""What a post can wait for and still move by itself."""
MAY_REST = ("snapshot", "log", "stage_complete", "stage_error", "stage_review", "pipeline_complete")
COSTS = ("log", "retry", "image_generated", "image_failed", "stage_complete", "stage_error")
PICTURES_A_SECOND = 8


async def follow_post(console: Console, gateway: Gateway, post_id: str) -> Post:
    """Show the post until it rests; the post as it then is."""
    watched, clock = Watched(), asyncio.get_running_loop().time
    if not console.is_terminal:
        return await _until_rest(gateway, post_id, watched, lambda line: say(console, line))
    with Live(
        get_renderable=lambda: picture(watched, clock()),
        console=console,
        refresh_per_second=PICTURES_A_SECOND,
        transient=True,
    ):
        return await _until_rest(gateway, post_id, watched, console.print)


async def _until_rest(
    gateway: Gateway, post_id: str, watched: Watched, show: Callable[[Text], None]
) -> Post:
    clock = asyncio.get_running_loop().time
    async with aclosing(gateway.follow(post_id, None)) as events:
        async for event in events:
            for line in watched.take(event, clock()):
                show(line)
            if event.name in COSTS:
                watched.paid = await _paid(gateway, post_id)
            if may_rest(event):
                post = await gateway.post(post_id)
                if post["waits_for"] not in MOVES_ON:
                    for line in watched.take(Event("snapshot", "", {**post}), clock()):
                        show(line)
                    return post
    raise GatewayAway(gateway.url)


async def _paid(gateway: Gateway, post_id: str) -> float:
    """What the calls of a post have cost: images too, whose calls have no line of their own."""
    return sum(float(call["cost_usd"]) for call in await gateway.calls(post_id))


def may_rest(event: Event) -> bool:
    """Lines of a stage at work are many, and none of them is an end; a warning may be one."""
    if event.name != "log":
        return event.name in MAY_REST
    return not event.data.get("stage") or event.data.get("level") == "warning"
