"""Uploaded pictures are decoded a few at a time, and no more wait for it than memory can hold.

A picture may need hundreds of megabytes while it is decoded, whatever its file weighs. Who finds
the room and its queue full is told to come again; nobody waits without end.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

from services.gateway.web.refusals import Busy
from shared.content.pictures import to_webp

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.content.pictures import Webp

AT_ONCE: Final = 2
MOST_WAITING: Final = 8


class Darkroom:
    """The room of one gateway; `develop` is what is done to a picture there.

    It has threads of its own: one that decodes for somebody who has gone still counts. `inside` is
    how many are waited for.
    """

    def __init__(self, develop: Callable[[bytes, str], Webp] = to_webp) -> None:
        self._develop = develop
        self._threads = ThreadPoolExecutor(AT_ONCE, "darkroom")
        self.inside = 0

    async def developed(self, data: bytes, type_: str) -> Webp:
        """The picture as it is kept. Raises `Permanent`, and `Busy` without looking at it."""
        if self.inside >= AT_ONCE + MOST_WAITING:
            raise Busy
        self.inside += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._threads, self._develop, data, type_)
        finally:
            self.inside -= 1
