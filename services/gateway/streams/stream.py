"""A client's stream: what it missed, then what happens, each id once and in rising order.

The feed is joined first and T noted; what lies up to T is read (`past`), what follows
waits in the subscription. Without an id to resume from, a post's stream begins with a `snapshot` of
the state at T.
"""

from __future__ import annotations

import asyncio
import re
from contextlib import aclosing
from typing import TYPE_CHECKING

from services.gateway.files.archive import at
from services.gateway.posts import present
from services.gateway.streams.frames import HEARTBEAT, Frame, anchor, named, whole
from services.gateway.web.problems import BadRequest
from shared.domain.events import PostDeleted
from shared.errors import LogUnavailable, NoSuchPost

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable
    from uuid import UUID

    from services.gateway.context import Gateway
    from services.gateway.streams.feed import Subscription
    from shared.domain.events import Recorded
    from shared.domain.subjects import PostRef

_ID = re.compile(r"[0-9]{1,20}")


def resume_from(header: str | None, query: str | None) -> int | None:
    """The id to resume after; the header wins. Raises `BadRequest` for what is no id."""
    said = [each for each in (header, query) if each]
    if not all(map(_ID.fullmatch, said)):
        raise BadRequest("the last event id has to be a sequence of the log: digits only")
    return int(said[0]) if said else None


class Stream:
    """One client's view on one post, or on all."""

    def __init__(self, gateway: Gateway, ref: PostRef | None, subscription: Subscription) -> None:
        self._gateway = gateway
        self._ref = ref
        self._subscription = subscription

    @property
    def over(self) -> asyncio.Event:
        """Set when the stream has to end: the client is too slow, the post is deleted, or the
        gateway is closing."""
        return self._subscription.over

    def leave(self) -> None:
        self._gateway.feed.leave(self._gateway.tenant, self._post, self._subscription)

    @property
    def _post(self) -> UUID | None:
        return self._ref.id if self._ref else None

    async def chunks(self, after: int | None) -> AsyncGenerator[bytes]:
        """What to send, for as long as the stream lives."""
        joined = self._subscription.joined
        async with aclosing(self._opening(after)) as opening:
            async for chunk in opening:
                yield chunk
        for draft in self._subscription.drafts:
            yield draft.data
        async with aclosing(self._live(max(joined, after or 0))) as live:
            async for chunk in live:
                yield chunk

    async def _opening(self, after: int | None) -> AsyncGenerator[bytes]:
        """Everything up to the sequence at which the feed was joined."""
        joined = self._subscription.joined
        if after is None:
            yield await self._beginning()
            return
        async with aclosing(self._gateway.past.frames(self._post, after, joined)) as missed:
            async for frames in missed:
                yield b"".join(frame.data for frame in frames)
        yield anchor(max(joined, after))

    async def _beginning(self) -> bytes:
        joined = self._subscription.joined
        if self._ref is None:
            return anchor(joined)
        return (await self._snapshot(self._ref, joined)).data

    async def reset(self) -> bytes:
        """Tell a client whose id is of another log to begin anew."""
        joined = self._subscription.joined
        return named("reset", {"event": "reset", "seq": joined}, joined).data

    async def _live(self, after: int) -> AsyncGenerator[bytes]:
        while True:
            try:
                async with asyncio.timeout(self._gateway.heartbeat_s):
                    frames = await self._subscription.next()
            except TimeoutError:
                yield HEARTBEAT
                continue
            yield b"".join(_new(frames, after))

    async def _snapshot(self, ref: PostRef, until: int) -> Frame:
        """The post as it was at a sequence, exactly."""
        history = await self._gateway.views.history(ref)
        past = self._gateway.past.entries(ref.id, 0, until)
        view = at(history, [entry async for page in past for _, entry in page], until)
        return whole("snapshot", present.state(view).model_dump_json(), until)


def _new(frames: Iterable[Frame], after: int) -> Iterable[bytes]:
    """What a client that resumes after an id of another replica has not seen yet."""
    return (frame.data for frame in frames if frame.seq is None or frame.seq > after)


async def open_stream(
    gateway: Gateway, ref: PostRef | None, after: int | None
) -> tuple[Stream, AsyncGenerator[bytes]]:
    """Join the feed; the stream and what to send. Raises `NoSuchPost`, `LogUnavailable`."""
    if ref is not None:
        await _caught_up(gateway, ref)
    stream = Stream(gateway, ref, gateway.feed.join(gateway.tenant, ref.id if ref else None))
    try:
        if ref is not None:  # deleted before the feed was joined, it would never end
            await _newest(gateway, ref)
        foreign = after is not None and after > (await gateway.events.state()).last
    except BaseException:
        stream.leave()
        raise
    return stream, _begin_anew(stream) if foreign else stream.chunks(after)


async def _begin_anew(stream: Stream) -> AsyncGenerator[bytes]:
    yield await stream.reset()
    async with aclosing(stream.chunks(None)) as chunks:
        async for chunk in chunks:
            yield chunk


async def _caught_up(gateway: Gateway, ref: PostRef) -> None:
    """A post that exists is one the feed has seen: a stream never opens on an empty past."""
    last = await _newest(gateway, ref)
    try:
        async with asyncio.timeout(gateway.patience_s):
            await gateway.feed.reached(last.seq)
    except TimeoutError:
        raise LogUnavailable("the gateway has not caught up with the log yet") from None


async def _newest(gateway: Gateway, ref: PostRef) -> Recorded:
    last = await gateway.events.last(ref)
    if last is None or isinstance(last.fact, PostDeleted):
        raise NoSuchPost
    return last
