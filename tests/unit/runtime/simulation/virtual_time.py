"""An event loop whose clock jumps: hours of waiting pass at once, always in the same order.

When nothing is ready the loop does not wait for its next timer, it moves its clock there. A program
that waits for something no timer will bring hangs, and is told so.
"""

from __future__ import annotations

import asyncio
import selectors
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from selectors import SelectorKey


class Hangs(Exception):
    """Everything waits for something that can no longer happen."""


class _Jumping(selectors.SelectSelector):
    """A selector that neither sleeps nor listens; it keeps the time it would have slept."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        if timeout is None:
            raise Hangs("every task waits and no timer is set")
        self.now += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time as the loop knows it starts at 0 and moves only when everybody waits."""

    def __init__(self) -> None:
        self._jumping = _Jumping()
        super().__init__(self._jumping)
        self.set_exception_handler(_ignored)

    def time(self) -> float:
        return self._jumping.now

    def run_in_executor[T](
        self,
        executor: object,  # noqa: ARG002  (the signature is asyncio's)
        func: Callable[..., T],
        *args: object,
    ) -> asyncio.Future[T]:
        """At once: a thread would end whenever it likes."""
        done: asyncio.Future[T] = self.create_future()
        done.set_result(func(*args))
        return done


def _ignored(_loop: asyncio.AbstractEventLoop, _context: Mapping[str, Any]) -> None:
    """Whoever must see an exception is asked for it; the tasks of a dead process are nobody's."""


def lived[T](life: Coroutine[Any, Any, T]) -> T:
    """Run it in a loop of its own. Raises `Hangs`."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(life)
