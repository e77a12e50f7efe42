"""A post as the contract tells it: pure functions from the fold to answers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from services.gateway.insight.ledgers import ledger
from services.gateway.web.answers import (
    EntryRead,
    FailureRead,
    ModelRead,
    PostPart,
    PostRead,
    PostState,
    PostSummary,
    ReviewRead,
    StageLog,
)
from shared.domain.status import CONTENT_FIELDS, current_stage, waits_for
from shared.domain.values import ORDER, PostConfig, Stage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from services.gateway.web.answers import CallRead
    from shared.domain.journal import Entry
    from shared.domain.post import Post, Review

_NOBODY = UUID(int=0)
UNSAID = PostConfig(topic="", slug="")


@dataclass(frozen=True, slots=True)
class View:
    """One post as it was at one moment."""

    post: Post
    texts: dict[Stage, str]
    entries: tuple[Entry, ...]
    calls: tuple[CallRead, ...]


def summary(post: Post) -> PostSummary:
    return PostSummary(**_summary(post))


def state(view: View) -> PostState:
    return PostState(**_state(view))


def whole(view: View) -> PostRead:
    post = view.post
    config = (post.config or UNSAID).model_dump()
    return PostRead(**{**config, **_state(view), **_texts(post.id or _NOBODY, view.texts)})


def part(post: Post, texts: dict[Stage, str], fields: Iterable[str]) -> PostPart:
    """Only these fields of a post; a text that was not made yet is null."""
    bare = View(post, texts, (), ())
    read = whole(bare)
    return PostPart.model_validate(
        {"id": read.id, **{name: getattr(read, name) for name in fields}}
    )


def _summary(post: Post) -> dict[str, Any]:
    config = post.config or UNSAID
    return {
        "id": post.id or _NOBODY,
        "seq": post.last,
        "version": post.n,
        "slug": config.slug,
        "topic": config.topic,
        "profile_id": config.profile_id,
        "current_stage": current_stage(post),
        "waits_for": waits_for(post),
        "paused": post.paused,
        "stage_status": {stage: post.stages[stage].status for stage in ORDER},
        "stage_settings": {stage: post.gate(stage) for stage in ORDER},
        "gate_deadline_s": post.gate_deadline_s,
        "gate_outcome": post.gate_outcome,
        "stale": [stage for stage in ORDER if post.stages[stage].stale],
        "review": review(post.review),
        "failures": failures(post),
        "created_at": post.created_at,
        "updated_at": post.updated_at,
        "completed_at": post.completed_at,
    }


def _state(view: View) -> dict[str, Any]:
    stages = view.post.stages
    return {
        **_summary(view.post),
        "stage_models": _stage_models(view.post),
        "stage_logs": _stage_logs(view.post),
        "warnings": {s: list(stages[s].warnings) for s in ORDER if stages[s].warnings},
        "ledger": ledger(view.calls, view.post.held),
        "execution_logs": [entry(each) for each in view.entries],
    }


def _stage_models(post: Post) -> dict[Stage, ModelRead]:
    return {
        stage: ModelRead(
            provider=pinned.provider,
            model=pinned.model,
            effort=pinned.effort,
            image_model=pinned.image_model or None,
        )
        for stage in ORDER
        if (pinned := post.models.get(stage)) is not None
    }


def _stage_logs(post: Post) -> dict[Stage, StageLog]:
    return {
        stage: StageLog(
            model=took.model,
            tokens_in=took.tokens_in,
            tokens_out=took.tokens_out,
            duration_s=round(took.duration_s, 2),
            cost_usd=round(took.cost_usd, 6),
        )
        for stage in ORDER
        if (took := post.stages[stage].metrics) is not None
    }


def review(opened: Review | None) -> ReviewRead | None:
    if opened is None:
        return None
    deadline = opened.deadline
    return ReviewRead(
        seq=opened.seq,
        stage=opened.stage,
        mode=opened.mode,
        deadline=deadline.at if deadline else None,
        outcome=deadline.outcome if deadline else None,
    )


def failures(post: Post) -> list[FailureRead]:
    """Why stages stand at failed."""
    return [
        FailureRead(
            stage=stage,
            code=why.code,
            message=why.message,
            attempts=why.attempts,
            at=why.at,
            raw=why.raw,
        )
        for stage in ORDER
        if (why := post.stages[stage].failure) is not None
    ]


def entry(line: Entry) -> EntryRead:
    return EntryRead(**line._asdict())


def _texts(post: UUID, texts: dict[Stage, str]) -> dict[str, Any]:
    fields: dict[str, Any] = {CONTENT_FIELDS[stage]: text for stage, text in texts.items()}
    if Stage.IMAGES in texts:
        fields["image_manifest"] = manifest(post, texts[Stage.IMAGES])
    return fields


def manifest(post: UUID, text: str) -> dict[str, Any]:
    """The image manifest, each generated image with the address it is served at.

    One that a person has edited into something else is shown as it is, under `raw`.
    """
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return {"raw": text}
    if not isinstance(read, dict):
        return {"raw": text}
    images = read.get("images")
    if isinstance(images, list):
        read["images"] = [_addressed(post, image) for image in images]
    return read


def _addressed(post: UUID, image: Any) -> Any:  # noqa: ANN401  whatever stands in the manifest
    if not isinstance(image, dict) or not image.get("generated") or "filename" not in image:
        return image
    return {**image, "url": f"/media/{post}/{image['filename']}"}
