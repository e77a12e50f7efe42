"""Telling a post what to do: each route is one command, decided by the post's own rules."""

# ruff: noqa: TC001, TC003  (FastAPI reads the annotations)

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from fastapi import APIRouter, Response

from services.gateway.context import Wired
from services.gateway.control import redo
from services.gateway.control.deciding import Key, decided, spelled, tell
from services.gateway.posts import present
from services.gateway.web.answers import Controlled, PostRead, Queued
from services.gateway.web.documented import WRITTEN
from services.gateway.web.preconditions import IfMatch
from services.gateway.web.schemas import Approval, Cancellation, Rejection
from shared.domain.commands import (
    AnyCommand,
    ApproveStage,
    CancelPipeline,
    PausePipeline,
    RejectStage,
    RestartPost,
    ResumePipeline,
    RunStage,
    StartPipeline,
)
from shared.domain.values import CommandRef, Stage
from shared.errors import NoSuchPost

if TYPE_CHECKING:
    from shared.eventlog import History

router = APIRouter(prefix="/api/posts/{post_id}", tags=["control"], responses=WRITTEN)


@router.post("/run", status_code=202)
async def run(
    gateway: Wired,
    post_id: UUID,
    response: Response,
    stage: Stage | None = None,
    idempotency_key: Key = None,
    if_match: IfMatch = None,
) -> Queued:
    """Run every unfinished stage in order; with `stage`, that stage alone."""

    def command(by: CommandRef) -> AnyCommand:
        if stage is None:
            return StartPipeline(post_id=post_id, by=by)
        return RunStage(post_id=post_id, by=by, stage=stage)

    asked = spelled(f"run {stage or ''}")
    stored = await decided(gateway, post_id, idempotency_key, asked, command, expected=if_match)
    tell(response, stored)
    return Queued(post_id=post_id, stage=stage or _at_work(stored), mode="run")


@router.post("/run-all", status_code=202)
async def run_all(
    gateway: Wired,
    post_id: UUID,
    response: Response,
    idempotency_key: Key = None,
    if_match: IfMatch = None,
) -> Queued:
    """Open the gates of all unfinished stages and run them."""

    def command(by: CommandRef) -> AnyCommand:
        return StartPipeline(post_id=post_id, by=by, ungated=True)

    stored = await decided(
        gateway, post_id, idempotency_key, spelled("run-all"), command, expected=if_match
    )
    tell(response, stored)
    return Queued(post_id=post_id, stage=_at_work(stored), mode="run-all")


@router.post("/rerun/{stage}", status_code=202)
async def rerun(
    gateway: Wired,
    post_id: UUID,
    stage: Stage,
    response: Response,
    *,
    cascade: bool = False,
    image: redo.Number | None = None,
    asked: redo.Redoing | None = None,
    idempotency_key: Key = None,
    if_match: IfMatch = None,
) -> Queued:
    """Run one stage again; with `cascade`, what follows it as well; of the images, with `image`,
    that one alone, from the prompt in the body if there is one."""
    picture = redo.picture(stage, image, asked)

    def command(by: CommandRef) -> RunStage:
        return RunStage(post_id=post_id, by=by, stage=stage, cascade=cascade, redo=picture)

    if picture is None:
        said = spelled(f"rerun {stage} {cascade}")
        stored = await decided(gateway, post_id, idempotency_key, said, command, expected=if_match)
    else:
        said = spelled(f"rerun {stage} {cascade} {image}", asked)
        stored = await redo.asked_for(
            gateway, post_id, idempotency_key, said, command, expected=if_match
        )
    tell(response, stored)
    return Queued(post_id=post_id, stage=stage, mode="rerun")


@router.post("/restart", status_code=202)
async def restart(
    gateway: Wired,
    post_id: UUID,
    response: Response,
    idempotency_key: Key = None,
    if_match: IfMatch = None,
) -> Queued:
    """Set every text aside and begin again at research."""

    def command(by: CommandRef) -> AnyCommand:
        return RestartPost(post_id=post_id, by=by)

    stored = await decided(
        gateway, post_id, idempotency_key, spelled("restart"), command, expected=if_match
    )
    tell(response, stored)
    return Queued(post_id=post_id, stage=_at_work(stored), mode="restart")


@router.post("/approve")
async def approve(
    gateway: Wired,
    post_id: UUID,
    response: Response,
    asked: Approval | None = None,
    idempotency_key: Key = None,
    if_match: IfMatch = None,
) -> PostRead:
    """Accept the open review, with `content` in place of what the stage made if given."""
    said = asked or Approval()

    def command(by: CommandRef) -> AnyCommand:
        return ApproveStage(
            post_id=post_id,
            by=by,
            actor=by.actor,
            review=said.review,
            edited=said.content,
            note=said.note,
        )

    stored = await decided(
        gateway,
        post_id,
        idempotency_key,
        spelled("approve", said),
        command,
        expected=if_match,
    )
    return await _read(gateway, response, stored)


@router.post("/reject")
async def reject(
    gateway: Wired,
    post_id: UUID,
    response: Response,
    asked: Rejection,
    idempotency_key: Key = None,
    if_match: IfMatch = None,
) -> PostRead:
    """Refuse the open review; the stage runs again and is told the note."""

    def command(by: CommandRef) -> AnyCommand:
        return RejectStage(
            post_id=post_id, by=by, actor=by.actor, review=asked.review, note=asked.note
        )

    stored = await decided(
        gateway,
        post_id,
        idempotency_key,
        spelled("reject", asked),
        command,
        expected=if_match,
    )
    return await _read(gateway, response, stored)


@router.post("/pause")
async def pause(
    gateway: Wired,
    post_id: UUID,
    response: Response,
    idempotency_key: Key = None,
    if_match: IfMatch = None,
) -> Controlled:
    """Stop at the next stage boundary."""

    def command(by: CommandRef) -> AnyCommand:
        return PausePipeline(post_id=post_id, by=by)

    tell(
        response,
        await decided(
            gateway, post_id, idempotency_key, spelled("pause"), command, expected=if_match
        ),
    )
    return Controlled(status="paused", post_id=post_id)


@router.post("/resume")
async def resume(
    gateway: Wired,
    post_id: UUID,
    response: Response,
    idempotency_key: Key = None,
    if_match: IfMatch = None,
) -> Controlled:
    """Go on after a pause."""

    def command(by: CommandRef) -> AnyCommand:
        return ResumePipeline(post_id=post_id, by=by)

    tell(
        response,
        await decided(
            gateway, post_id, idempotency_key, spelled("resume"), command, expected=if_match
        ),
    )
    return Controlled(status="resumed", post_id=post_id)


@router.post("/cancel")
async def cancel(
    gateway: Wired,
    post_id: UUID,
    response: Response,
    asked: Cancellation | None = None,
    idempotency_key: Key = None,
    if_match: IfMatch = None,
) -> Controlled:
    """Stop now: a running stage is ended, a later run continues it."""
    said = asked or Cancellation()

    def command(by: CommandRef) -> AnyCommand:
        return CancelPipeline(post_id=post_id, by=by, reason=said.reason)

    stored = await decided(
        gateway, post_id, idempotency_key, spelled("cancel", said), command, expected=if_match
    )
    tell(response, stored)
    return Controlled(status="cancelled", post_id=post_id)


def _at_work(stored: History) -> Stage | None:
    active = stored.post.active
    return active.stage if active else None


async def _read(gateway: Wired, response: Response, stored: History) -> PostRead:
    if stored.post.deleted:
        raise NoSuchPost
    tell(response, stored)
    return present.whole(await gateway.views.after(stored))
