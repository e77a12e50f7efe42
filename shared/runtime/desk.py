"""What a stage function sees and may do: its inputs, paid calls, progress lines, the media store.

A stage is `async def work(desk: Desk) -> Work`. It never mentions acks, retries, attempts or the
log: everything it asks through `desk` is journaled, and asked again after a crash it gets the same
answers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from shared.providers.port import Request

if TYPE_CHECKING:
    from datetime import date

    from shared.domain.values import Blob, Level, ModelSettings, PostConfig, Redo, Source, Stage
    from shared.providers.port import Answer

type Told = dict[str, str | int | float | bool | None]
type LineKind = Literal["log", "image_generated", "image_failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a stage made: its output text, the sources it rests on, and what a person should know.

    `warnings` are shown as warning lines and kept with the completion; `summary` is the stage's
    last progress line ("Draft checked: 1,980 words in 7 sections").
    """

    output: str
    summary: str
    sources: tuple[Source, ...] = ()
    warnings: tuple[str, ...] = ()


class Desk(Protocol):
    """A stage's view of one run. Everything in it is fixed by the log up to the run's request."""

    @property
    def config(self) -> PostConfig:
        """What the user asked for."""
        ...

    @property
    def settings(self) -> ModelSettings:
        """The models pinned for this run."""
        ...

    @property
    def rules(self) -> str:
        """The stage's rules: `prompt.md` as shipped, or the version pinned for this run."""
        ...

    @property
    def note(self) -> str:
        """What a reviewer asked to change when rejecting the last result; empty if nothing."""
        ...

    @property
    def redo(self) -> Redo | None:
        """The one picture to make anew; None when the stage is to do all its work."""
        ...

    @property
    def today(self) -> date:
        """The day the run was requested (UTC): from the log, so that a repeat sees the same day."""
        ...

    def output(self, stage: Stage) -> str:
        """An earlier stage's output, or this stage's own from before, as people left it; empty if
        there is none."""
        ...

    def sources(self) -> tuple[Source, ...]:
        """The sources the research stands on."""
        ...

    async def ask(
        self, key: str, request: Request, *, asking: str, level: Level = "info"
    ) -> Answer:
        """Pay for an answer once. `key` names the call within the run ("draft", "image-3").

        `asking` is the progress line shown while it runs ("Asking claude-sonnet-5-5 for the
        draft"); with level "debug" neither it nor the line about the answer is shown to people.
        Raises `Permanent` when the call failed for good.
        """
        ...

    async def say(
        self,
        message: str,
        *,
        level: Level = "info",
        kind: LineKind = "log",
        data: Told | None = None,
    ) -> None:
        """Write a progress line for people. Never fails the stage."""
        ...

    async def keep(self, data: bytes, media_type: str) -> Blob:
        """Store bytes in the media store under their digest; the same bytes are stored once."""
        ...


def question(
    desk: Desk,
    system: str,
    prompt: str,
    *,
    schema: dict[str, Any] | None = None,
    stream: bool = False,
    search: bool = False,
) -> Request:
    """A request to the model that is pinned for this run, with its settings."""
    return Request(
        provider=desk.settings.provider,
        model=desk.settings.model,
        system=system,
        prompt=prompt,
        max_tokens=desk.settings.max_tokens,
        effort=desk.settings.effort,
        schema=schema,
        stream=stream,
        search=search,
    )


type StageFunction = Callable[[Desk], Awaitable[Work]]
