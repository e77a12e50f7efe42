"""A desk on paper: inputs given, a model's answers scripted, everything the stage does recorded."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from shared.domain.values import Blob, ModelSettings, PostConfig, Redo, Stage, Usage
from shared.providers.port import Answer, Picture

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.domain.values import Level, Source
    from shared.providers.port import Request
    from shared.runtime.desk import LineKind, Told

SETTINGS = ModelSettings(provider="claude", model="claude-x", image_model="gemini-x")

type Script = Answer | Exception | str | bytes


@dataclass(frozen=True)
class Line:
    message: str
    level: Level
    kind: LineKind
    data: Told | None


@dataclass
class PaperDesk:
    """`answers` maps the key of a call to what comes back; an exception is raised."""

    answers: dict[str, Script] = field(default_factory=dict)
    outputs: dict[Stage, str] = field(default_factory=dict)
    found: tuple[Source, ...] = ()
    config: PostConfig = field(
        default_factory=lambda: PostConfig(topic="Puppies", slug="puppies", word_count=100)
    )
    settings: ModelSettings = SETTINGS
    rules: str = "# The rules"
    note: str = ""
    redo: Redo | None = None
    today: date = date(2026, 11, 23)
    before_answer: Callable[[str], asyncio.Event | None] = lambda _: None
    asked: dict[str, Request] = field(default_factory=dict)
    asking: list[str] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    kept: dict[str, bytes] = field(default_factory=dict)
    at_work: int = 0
    most_at_work: int = 0

    def output(self, stage: Stage) -> str:
        return self.outputs.get(stage, "")

    def sources(self) -> tuple[Source, ...]:
        return self.found

    async def ask(
        self, key: str, request: Request, *, asking: str, level: Level = "info"
    ) -> Answer:
        assert key not in self.asked, "a key names one call"
        self.asked[key] = request
        if level != "debug":
            self.asking.append(asking)
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)
        try:
            if hold := self.before_answer(key):
                await hold.wait()
            await asyncio.sleep(0)
        finally:
            self.at_work -= 1
        return self._answer(key)

    def _answer(self, key: str) -> Answer:
        script = self.answers[key]
        if isinstance(script, Exception):
            raise script
        if isinstance(script, bytes):
            picture = Picture(data=script, media_type="image/png")
            return Answer(text="", usage=Usage(model="gemini-x"), pictures=(picture,))
        if isinstance(script, str):
            return Answer(text=script, usage=Usage(model="claude-x"))
        return script

    async def say(
        self,
        message: str,
        *,
        level: Level = "info",
        kind: LineKind = "log",
        data: Told | None = None,
    ) -> None:
        self.lines.append(Line(message, level, kind, data))

    async def keep(self, data: bytes, media_type: str) -> Blob:
        digest = hashlib.sha256(data).hexdigest()
        self.kept[digest] = data
        return Blob(name=f"post/{digest}", digest=digest, size=len(data), media_type=media_type)

    def kinds(self, kind: LineKind) -> list[Line]:
        return [line for line in self.lines if line.kind == kind]
