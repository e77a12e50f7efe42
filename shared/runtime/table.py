"""The desk a stage function works at: its inputs from the log, its calls through the journal."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

from shared.domain.events import PostConfigured, PostCreated, Progressed
from shared.domain.outputs import outputs, sources
from shared.domain.text import clean
from shared.errors import Misconfigured
from shared.runtime.bookkeeping import keep

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date

    from shared.domain.events import Recorded
    from shared.domain.values import Blob, Level, ModelSettings, PostConfig, Source, Stage
    from shared.providers.port import Answer, Request
    from shared.runtime.calls import Calls
    from shared.runtime.desk import LineKind, Told
    from shared.runtime.tools import Tools
    from shared.runtime.view import RunView


class Table:
    """`Desk` over one run (see shared/runtime/desk.py)."""

    def __init__(
        self, view: RunView, calls: Calls, tools: Tools, rules: str, settings: ModelSettings
    ) -> None:
        history = view.before()
        self._view = view
        self._calls = calls
        self._tools = tools
        self._outputs = outputs(history)
        self._sources = sources(history)
        self.config = _config(history)
        self.settings = view.request.models or settings
        self.rules = rules
        self.note = view.request.note
        self.redo = view.request.redo
        self.first_key: str | None = None

    @property
    def today(self) -> date:
        return self._view.request.at.date()

    def output(self, stage: Stage) -> str:
        return self._outputs.get(stage, "")

    def sources(self) -> tuple[Source, ...]:
        return self._sources

    async def ask(
        self, key: str, request: Request, *, asking: str, level: Level = "info"
    ) -> Answer:
        self.first_key = self.first_key or key
        return await self._calls.once(key, request, asking=asking, level=level)

    async def say(
        self,
        message: str,
        *,
        level: Level = "info",
        kind: LineKind = "log",
        data: Told | None = None,
    ) -> None:
        line = Progressed(
            post_id=self._view.ref.id,
            at=self._tools.now(),
            stage=self._view.request.stage,
            run=self._view.run,
            level=level,
            kind=kind,
            message=clean(message),
            data={name: _plain(value) for name, value in (data or {}).items()},
        )
        await self._tools.events.say(self._view.ref, line)

    async def keep(self, data: bytes, media_type: str) -> Blob:
        return await keep(self._tools.media, self._view.ref.id, data, media_type)


def _config(history: Iterable[Recorded]) -> PostConfig:
    """The configuration as it stood when the run was asked for."""
    config: PostConfig | None = None
    for _, fact in history:
        if isinstance(fact, PostCreated | PostConfigured) and fact.config is not None:
            config = fact.config
    if config is None:
        raise Misconfigured(
            "the history holds no configuration: it does not begin with PostCreated"
        )
    return config


def _plain(value: str | float | bool | None) -> str | int | float | bool | None:
    """A value every store holds; a progress line never fails its stage."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    return value
