"""Whole posts for the projector: what a pipeline of six stages leaves in the log, and its fold."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

from pydantic import TypeAdapter

from shared.domain import commands as c
from shared.domain import events as e
from shared.domain.decide import decide
from shared.domain.events import Recorded
from shared.domain.evolve import fold
from shared.domain.post import Post
from shared.domain.values import ORDER, Source, Stage, Usage
from shared.testing import CONFIG, METRICS, NOW

if TYPE_CHECKING:
    from uuid import UUID

    from shared.domain.events import PostEvent

type Ending = Literal["settled", "failed", "abandoned", "late", "open"]

USAGE = Usage(
    model="claude-sonnet-5-5",
    tokens_in=100,
    tokens_out=50,
    cache_read=20,
    cache_write=30,
    cache_write_1h=7,
)
ESCAPED_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
SOURCES = (Source(number=1, url="https://example.org/a"),)


class _Story:
    def __init__(self, post_id: UUID) -> None:
        self.post_id = post_id
        self.history: list[Recorded] = []

    def tell(self, *facts: PostEvent) -> None:
        for fact in facts:
            self.history.append(Recorded(len(self.history) + 1, fact))

    def ask(self, command: c.AnyCommand) -> None:
        self.tell(*decide(fold(self.history), command, NOW))


def article(
    post_id: UUID,
    *,
    topic: str = "How to train a puppy",
    text: str = "the {stage} text",
    line: str = "Working",
) -> list[Recorded]:
    """From the topic to the finished article: every flow, call and log fact, numbered from 1."""
    story = _Story(post_id)
    config = CONFIG.model_copy(update={"topic": topic})
    story.ask(c.CreatePost(post_id=post_id, config=config))
    for stage in ORDER:
        run = len(story.history)
        story.tell(started(post_id, stage, run), log_line(post_id, line, stage, run))
        story.tell(*call(post_id, "draft", stage=stage, run=run))
        story.ask(
            c.CompleteStage(
                post_id=post_id,
                stage=stage,
                run=run,
                output=text.format(stage=stage),
                metrics=METRICS,
                sources=SOURCES if stage is Stage.RESEARCH else (),
            )
        )
    return story.history


def started(post_id: UUID, stage: Stage, run: int) -> e.StageStarted:
    return e.StageStarted(
        post_id=post_id, at=NOW, stage=stage, run=run, delivery=1, worker="w", rules="r"
    )


def log_line(post_id: UUID, text: str, stage: Stage = Stage.WRITE, run: int = 1) -> e.Progressed:
    return e.Progressed(
        post_id=post_id, at=NOW, stage=stage, run=run, message=text, data={"line": text}
    )


def call(
    post_id: UUID,
    key: str,
    *,
    ending: Ending = "settled",
    stage: Stage = Stage.WRITE,
    run: int = 1,
) -> list[e.CallStarted | e.CallSettled | e.CallFailed | e.CallAbandoned | e.CallSettledLate]:
    """One attempt of a paid call, to its end."""
    begun = e.CallStarted(
        post_id=post_id,
        at=NOW,
        stage=stage,
        run=run,
        key=key,
        attempt=1,
        token="t",
        provider="claude",
        model="claude-sonnet-5-5",
        request="0" * 64,
        worst_case_usd=0.5,
    )
    name = begun.model_dump(include={"post_id", "at", "stage", "run", "key", "attempt", "token"})
    abandoned = e.CallAbandoned(**name, reason="cancelled", worst_case_usd=0.5)
    match ending:
        case "open":
            return [begun]
        case "settled":
            return [begun, _settled(name)]
        case "failed":
            return [begun, _failed(name)]
        case "abandoned":
            return [begun, abandoned]
        case "late":
            late = e.CallSettledLate(
                **name, provider="claude", usage=USAGE, cost_usd=0.125, prices="p"
            )
            return [begun, abandoned, late]


def _settled(name: dict[str, object]) -> e.CallSettled:
    return e.CallSettled.model_validate(
        {
            **name,
            "provider": "claude",
            "request": "0" * 64,
            "text": "an answer",
            "usage": USAGE,
            "cost_usd": 0.25,
            "prices": "p",
            "duration_s": 1.5,
        }
    )


def _failed(name: dict[str, object]) -> e.CallFailed:
    return e.CallFailed.model_validate(
        {
            **name,
            "provider": "claude",
            "code": "overloaded",
            "message": "try later",
            "transient": True,
            "max_attempts": 3,
            "tries": 1,
            "wait_s": 1.0,
        }
    )


def deleted(post_id: UUID, history: list[Recorded]) -> Recorded:
    """The fact that ends this history."""
    return Recorded(history[-1].seq + 1, e.PostDeleted(post_id=post_id, at=NOW))


def late_bills(post_id: UUID, begin: int) -> list[Recorded]:
    """An attempt that was abandoned, and then billed after all."""
    facts = call(post_id, "late", ending="late")
    return [Recorded(seq, fact) for seq, fact in enumerate(facts, begin)]


def shifted(history: list[Recorded], by: int) -> list[Recorded]:
    """The same facts, later in the log."""
    return [Recorded(each.seq + by, each.fact) for each in history]


def without_nul(post: Post) -> str:
    """The fold as JSON, each NUL in its texts replaced: Postgres holds none."""
    dumped = TypeAdapter(Post).dump_json(post).decode()
    return ESCAPED_NUL.sub(lambda found: found[1] + r"\ufffd", dumped)
