"""How a post comes to run: created, configured, started, run again, restarted."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from shared.domain.commands import (
    ApproveStage,
    ConfigurePost,
    CreatePost,
    ForkPost,
    RestartPost,
    RunStage,
    StartPipeline,
)
from shared.domain.events import (
    AnyFlow,
    PipelineCompleted,
    PipelineStarted,
    PostConfigured,
    PostCreated,
    PostForked,
    PostRestarted,
    Recorded,
)
from shared.domain.evolve import evolve
from shared.domain.post import Next, Post, Review
from shared.domain.rules.deadlines import moved
from shared.domain.rules.reviewing import accept
from shared.domain.rules.steps import id_of, request, resumed
from shared.domain.values import ORDER, GateMode, Redo, Stage
from shared.errors import MissingInput, Rejected, StageRunning

if TYPE_CHECKING:
    from datetime import datetime


def create(post: Post, command: CreatePost | ForkPost, now: datetime) -> list[AnyFlow]:
    if post.n or post.deleted:
        raise Rejected("a post with this id exists already")
    if isinstance(command, ForkPost):
        return _fork(command, now)
    created = PostCreated(
        post_id=command.post_id,
        at=now,
        config=command.config,
        gates=command.gates,
        models=command.models,
        gate_deadline_s=command.gate_deadline_s,
        gate_outcome=command.gate_outcome,
    )
    gated = all(command.gates.get(stage, GateMode.AUTO) is not GateMode.AUTO for stage in ORDER)
    if gated or not command.start:
        return [created]
    new = Post(id=command.post_id, models=command.models, rules=command.rules)
    return [created, *begin(new, ORDER[0], now, rules=command.rules)]


def _fork(command: ForkPost, now: datetime) -> list[AnyFlow]:
    created = PostCreated(
        post_id=command.post_id,
        at=now,
        config=command.config,
        gates=command.gates,
        models=command.models,
    )
    forked = PostForked(
        post_id=command.post_id, at=now, parent=command.parent, origin=command.origin
    )
    return [created, forked]


def configure(post: Post, command: ConfigurePost, now: datetime) -> list[AnyFlow]:
    config = command.config if command.config != post.config else None
    gates = {s: mode for s, mode in command.gates.items() if post.gate(s) is not mode}
    models = {s: named for s, named in command.models.items() if post.models.get(s) != named}
    terms = command.terms if command.terms != post.terms else None
    if config is None and not gates and not models and terms is None:
        return []
    configured = PostConfigured(
        post_id=command.post_id,
        at=now,
        config=config,
        gates=gates,
        models=models,
        terms=terms,
        deadline=moved(post, terms, now),
    )
    return [configured]


def start(post: Post, command: StartPipeline, now: datetime) -> list[AnyFlow]:
    """A pipeline that is under way is not started twice; its gates can still be opened."""
    opened = [*(_ungate(post, now) if command.ungated else []), *resumed(post, now)]
    post = replace(post, paused=False)
    if post.active or post.held:
        return opened
    if post.review is not None:
        if not command.ungated:
            raise Rejected(f"{post.review.stage} awaits a review: approve or reject it")
        return opened + _open_gate(post, post.review, command, now)
    onward = go_on(post, now, command.rules)
    if not onward:
        raise Rejected("the pipeline is complete; rerun a stage or restart the post")
    return opened + onward


def go_on(post: Post, now: datetime, rules: dict[Stage, int]) -> list[AnyFlow]:
    """From the first unfinished stage on; nothing when the pipeline is complete."""
    first = next((stage for stage in ORDER if not post.done(stage)), None)
    if first is not None:
        return begin(post, first, now, rules=rules)
    if post.completed_at is None:
        return [PipelineCompleted(post_id=id_of(post), at=now)]
    return []


def _open_gate(post: Post, review: Review, command: StartPipeline, now: datetime) -> list[AnyFlow]:
    """run-all accepts the open review in the name of who asked, also after a stage run alone."""
    actor = command.by.actor if command.by else "run-all"
    opening = ApproveStage(
        post_id=command.post_id, actor=actor, review=review.seq, note="opened by run-all"
    )
    facts = accept(post, opening, now)
    if post.next is not None:
        return facts
    return facts + go_on(evolve(post, Recorded(post.last + 1, facts[0])), now, command.rules)


def _ungate(post: Post, now: datetime) -> list[AnyFlow]:
    gates = {
        stage: GateMode.AUTO
        for stage in ORDER
        if not post.done(stage) and post.gate(stage) is not GateMode.AUTO
    }
    if not gates:
        return []
    return [PostConfigured(post_id=id_of(post), at=now, gates=gates)]


def run(post: Post, command: RunStage, now: datetime) -> list[AnyFlow]:
    """Run one stage. Asked again while it runs, nothing; while another runs, a refusal."""
    if busy := post.active or post.held:
        if busy.stage is command.stage and post.stages[busy.stage].redo == command.redo:
            return []
        raise StageRunning(busy.stage)
    if post.review and ORDER.index(post.review.stage) < ORDER.index(command.stage):
        raise Rejected(f"{post.review.stage} awaits a review: approve or reject it")
    earlier = ORDER[: ORDER.index(command.stage)]
    missing = [stage for stage in earlier if post.stages[stage].output is None]
    if missing:
        raise MissingInput(command.stage, missing)
    if command.redo is not None:
        _can_redo(post, command.stage)
    post = replace(post, rules=command.rules)
    return _begun(post, command.stage, now, alone=not command.cascade, redo=command.redo)


def _can_redo(post: Post, stage: Stage) -> None:
    if stage is not Stage.IMAGES:
        raise Rejected("only a picture of the images stage can be made anew alone")
    if post.stages[stage].output is None:
        raise MissingInput(stage, [stage])


def begin(post: Post, stage: Stage, now: datetime, *, rules: dict[Stage, int]) -> list[AnyFlow]:
    """The stage and all that follows it. One picture that was being redone is still the task."""
    redo = post.stages[stage].redo if _unfinished(post, stage) else None
    return _begun(replace(post, rules=rules), stage, now, alone=False, redo=redo)


def _begun(
    post: Post, stage: Stage, now: datetime, *, alone: bool, redo: Redo | None
) -> list[AnyFlow]:
    started = PipelineStarted(
        post_id=id_of(post), at=now, stage=stage, alone=alone, rules=post.rules
    )
    follows, resumes = _again(post, stage, alone=alone), _resumes(post, stage, redo)
    return [started, request(post, follows, now, resumes, redo)]


def _unfinished(post: Post, stage: Stage) -> bool:
    return post.stages[stage].ended in ("failed", "cancelled", "superseded")


def _resumes(post: Post, stage: Stage, redo: Redo | None) -> int | None:
    """A run that failed or was stopped is continued by one with the same task: what it has paid
    for is free."""
    state = post.stages[stage]
    return state.run if _unfinished(post, stage) and state.redo == redo else None


def _again(post: Post, stage: Stage, *, alone: bool) -> Next:
    """What a reviewer asked for is asked again until the stage has answered it."""
    if post.next is not None and post.next.stage is stage:
        return Next(stage, alone, post.next.note)
    continued = _unfinished(post, stage)
    return Next(stage, alone, post.stages[stage].note if continued else "")


def restart(command: RestartPost, post: Post, now: datetime) -> list[AnyFlow]:
    emptied = Post(id=post.id, models=post.models)
    restarted = PostRestarted(post_id=command.post_id, at=now)
    return [restarted, *begin(emptied, ORDER[0], now, rules=command.rules)]
