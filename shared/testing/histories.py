"""Histories nobody thought of: hypothesis draws commands, `decide` makes lawful facts of them.

What is drawn are moves: plain data that mean something in any state, so that a failing history
shrinks to the few moves that matter. A move the rules refuse changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import reduce
from typing import TYPE_CHECKING, Literal, get_args

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from shared.domain import commands as c
from shared.domain.decide import decide
from shared.domain.events import Recorded
from shared.domain.evolve import evolve
from shared.domain.post import Post
from shared.domain.values import GateMode, GateTerms, ModelSettings, Stage
from shared.errors import Rejected
from shared.testing import CONFIG, METRICS, NOW, POST

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.domain.commands import AnyCommand
    from shared.domain.events import AnyFlow

law = settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow], database=None
)
"""How hard a law is tried; `settings(law, max_examples=...)` tries harder."""

type Kind = Literal[
    "complete",
    "approve",
    "start",
    "wake",
    "expire",
    "reject",
    "run",
    "cascade",
    "pause",
    "resume",
    "fail",
    "defer",
    "exceed",
    "run_all",
    "edit",
    "approve_edited",
    "configure",
    "cancel",
    "restart",
    "late_report",
]
KINDS: tuple[Kind, ...] = get_args(Kind.__value__)
STEP = timedelta(minutes=7)
"""The time between two moves."""

gates: st.SearchStrategy[dict[Stage, GateMode]] = st.dictionaries(
    st.sampled_from(Stage), st.sampled_from(GateMode)
)


@dataclass(frozen=True)
class Move:
    """What somebody tries next, whatever state the post is in."""

    kind: Kind
    stage: Stage = Stage.RESEARCH
    text: str = ""
    gap: int = 0


@dataclass(frozen=True)
class Step:
    """One command, the state it met, and what it led to; `refused` when a rule forbade it."""

    before: Post
    command: AnyCommand
    at: datetime
    facts: tuple[AnyFlow, ...]
    refused: Rejected | None = None


@dataclass(frozen=True)
class Played:
    """A post's life: every step tried, the history that came of them, and where it stands."""

    steps: tuple[Step, ...] = ()
    history: tuple[Recorded, ...] = ()
    post: Post = field(default_factory=Post)
    now: datetime = NOW

    def ask(self, command: AnyCommand, *, gap: int = 0) -> Played:
        """One command later. `gap` messages of others were stored in between."""
        try:
            facts, refused = tuple(decide(self.post, command, self.now)), None
        except Rejected as error:
            facts, refused = (), error
        step = Step(self.post, command, self.now, facts, refused)
        begin = (self.history[-1].seq if self.history else 0) + gap + 1
        recorded = tuple(Recorded(begin + i, fact) for i, fact in enumerate(facts))
        return Played(
            (*self.steps, step),
            (*self.history, *recorded),
            reduce(evolve, recorded, self.post),
            self.now + STEP,
        )

    def make(self, move: Move) -> Played:
        return self.ask(command_of(move, self.post, self.now), gap=move.gap)


def play(creation: c.CreatePost, moves: Iterable[Move]) -> Played:
    """Create a post and make these moves."""
    return reduce(Played.make, moves, Played().ask(creation))


def command_of(move: Move, post: Post, now: datetime) -> AnyCommand:
    """What the move means in this state."""
    if move.kind in ("complete", "fail", "defer", "exceed", "late_report"):
        return _report(move, post, now)
    if move.kind in ("wake", "expire"):
        return _duty(move, post)
    if move.kind in ("approve", "approve_edited", "reject", "edit"):
        return _decision(move)
    return _order(move)


def _report(move: Move, post: Post, now: datetime) -> AnyCommand:
    stage, run = (post.active.stage, post.active.run) if post.active else (move.stage, post.last)
    match move.kind:
        case "complete":
            return _completion(stage, run, move.text)
        case "late_report":
            return _completion(move.stage, post.stages[move.stage].run or run, move.text)
        case "fail":
            return c.FailStage(
                post_id=POST, stage=stage, run=run, code="bad", message=move.text, call="draft"
            )
        case "defer":
            return c.DeferStage(post_id=POST, stage=stage, run=run, until=now + 2 * STEP)
        case _:
            return c.ExceedBudget(
                post_id=POST, stage=stage, run=run, scope="day", needed_usd=2, left_usd=1
            )


def _completion(stage: Stage, run: int, text: str) -> c.CompleteStage:
    output = f"{stage} {text}"
    return c.CompleteStage(post_id=POST, stage=stage, run=run, output=output, metrics=METRICS)


def _duty(move: Move, post: Post) -> AnyCommand:
    if move.kind == "wake":
        return c.WakeStage(post_id=POST, run=post.held.run if post.held else 0)
    return c.ExpireGate(post_id=POST, review=post.review.seq if post.review else 0)


def _decision(move: Move) -> AnyCommand:
    match move.kind:
        case "approve":
            return c.ApproveStage(post_id=POST, actor="ann")
        case "approve_edited":
            return c.ApproveStage(post_id=POST, actor="ann", edited=move.text)
        case "reject":
            return c.RejectStage(post_id=POST, actor="ann", note=move.text)
        case _:
            return c.EditContent(post_id=POST, actor="ann", stage=move.stage, output=move.text)


def _order(move: Move) -> AnyCommand:
    match move.kind:
        case "start":
            return c.StartPipeline(post_id=POST, rules={move.stage: 1})
        case "run_all":
            return c.StartPipeline(post_id=POST, ungated=True)
        case "run" | "cascade":
            return c.RunStage(post_id=POST, stage=move.stage, cascade=move.kind == "cascade")
        case "pause":
            return c.PausePipeline(post_id=POST)
        case "resume":
            return c.ResumePipeline(post_id=POST)
        case "configure":
            model = ModelSettings(provider="claude", model=move.text)
            gate = {move.stage: tuple(GateMode)[len(move.text) % 3]}
            return c.ConfigurePost(
                post_id=POST, gates=gate, models={move.stage: model}, terms=_terms(move)
            )
        case "cancel":
            return c.CancelPipeline(post_id=POST, reason=move.text)
        case _:
            return c.RestartPost(post_id=POST)


def _terms(move: Move) -> GateTerms | None:
    """Other terms, for ever or for a while; of every third change none."""
    if len(move.text) % 3 == 0:
        return None
    waits = move.gap * int(STEP.total_seconds())
    return GateTerms(deadline_s=waits or None, outcome="approve" if move.gap > 1 else "cancel")


def finish(played: Played, most: int = 60) -> Played:
    """Do what an ordinary user and the duty loop do, until the pipeline is complete.

    Nothing unusual is asked for: reviews are approved, a paused post is resumed, and where nothing
    is under way the pipeline is started. Raises `AssertionError` when that leads nowhere.
    """
    for _ in range(most):
        if at_the_end(played.post):
            return played
        played = played.ask(_obvious(played.post))
        if (refused := played.steps[-1].refused) is not None:
            raise AssertionError(f"the way on is refused: {refused}") from refused
    raise AssertionError(f"no end after {most} steps: {played.post}")


def at_the_end(post: Post) -> bool:
    """Completed, and nothing is open."""
    open_now = post.active or post.held or post.review or post.next
    return post.completed_at is not None and open_now is None


def _obvious(post: Post) -> AnyCommand:
    if post.active:
        return _completion(post.active.stage, post.active.run, "at last")
    if post.paused:
        return c.ResumePipeline(post_id=POST)
    if post.held:
        return c.WakeStage(post_id=POST, run=post.held.run)
    if post.review:
        return c.ApproveStage(post_id=POST, actor="ann", review=post.review.seq)
    return c.StartPipeline(post_id=POST)


# --- what is drawn ----------------------------------------------------------------------------

creations: st.SearchStrategy[c.CreatePost] = st.builds(
    c.CreatePost,
    post_id=st.just(POST),
    config=st.just(CONFIG),
    gates=gates,
    start=st.booleans(),
    gate_deadline_s=st.none() | st.just(int(2 * STEP.total_seconds())),
    gate_outcome=st.sampled_from(["approve", "cancel"]),
)

_LIKELY: dict[Kind, int] = {"complete": 12, "approve": 4, "start": 1, "wake": 2, "expire": 1}
_WEIGHTED: list[Kind] = [*KINDS, *(kind for kind, times in _LIKELY.items() for _ in range(times))]
moves: st.SearchStrategy[Move] = st.builds(
    Move,
    kind=st.sampled_from(_WEIGHTED),
    stage=st.sampled_from(Stage),
    text=st.text(max_size=6),
    gap=st.integers(0, 3),
)


def lives(most: int = 40) -> st.SearchStrategy[Played]:
    """A created post and up to `most` moves of everybody concerned."""
    return st.builds(play, creations, _as_many_as(st.integers(0, most)))


def _as_many_as(size: st.SearchStrategy[int]) -> st.SearchStrategy[list[Move]]:
    """Lists of any length alike: left alone, hypothesis prefers short ones."""
    return size.flatmap(lambda length: st.lists(moves, min_size=length, max_size=length))


def histories(most: int = 40) -> st.SearchStrategy[tuple[Recorded, ...]]:
    """Only what happened in such a life: flow facts with their sequences."""
    return lives(most).map(lambda played: played.history)
