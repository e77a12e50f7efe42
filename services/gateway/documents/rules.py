"""Rules: what each stage is told to be and to do, edited here, every version kept.

A run is told the version that was in force when its pipeline started, whatever happens meanwhile.
"""

# ruff: noqa: TC001  (FastAPI reads the annotations)

from __future__ import annotations

import asyncio
from difflib import unified_diff
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Query, Response

from services.gateway.context import Wired
from services.gateway.control.deciding import Key, spelled
from services.gateway.documents.documents import (
    change,
    newest,
    standing,
    tell_standing,
    tell_written,
)
from services.gateway.documents.history import HistoryFilter, page
from services.gateway.documents.rules_models import (
    DiffFilter,
    Restoration,
    RulesChange,
    RulesDiff,
    RulesHistory,
    RulesListed,
    RulesRead,
    RulesUnreadable,
    RulesVersion,
    VersionNumber,
)
from services.gateway.web import ids
from services.gateway.web.documented import DOCUMENT_READ, DOCUMENT_WRITTEN, LISTED
from services.gateway.web.preconditions import IfMatch
from services.gateway.web.problems import Missing
from shared.domain.documents import Standing, Unreadable, Version, rules_ref, rules_text
from shared.domain.values import Stage

if TYPE_CHECKING:
    from services.gateway.context import Gateway
    from services.gateway.documents.documents import Content

router = APIRouter(prefix="/api/rules", tags=["rules"])

_SHIPPED = "shipped"


@router.get("", responses=LISTED)
async def list_rules(gateway: Wired) -> list[RulesListed]:
    """The rules in force for every stage, without their texts; newer ones that cannot be read are
    named."""
    refs = [rules_ref(gateway.tenant, stage) for stage in Stage]
    found = await gateway.documents.standing(refs)
    return [_in_list(gateway, found.get(ref, Standing(ref))) for ref in refs]


@router.get("/{stage}", responses=DOCUMENT_READ)
async def read_rules(gateway: Wired, stage: Stage, response: Response) -> RulesRead:
    """The rules in force."""
    now = await standing(gateway, rules_ref(gateway.tenant, stage))
    tell_standing(response, now)
    return _shown(gateway, stage, now.version)


@router.put("/{stage}", responses=DOCUMENT_WRITTEN)
async def edit_rules(
    gateway: Wired,
    stage: Stage,
    asked: RulesChange,
    response: Response,
    idempotency_key: Key = None,
    if_match: IfMatch = None,
) -> RulesRead:
    """Put a new text in force, for the pipelines that start from now on."""
    ref = rules_ref(gateway.tenant, stage)
    by = ids.document_command(gateway, ref, idempotency_key, spelled("edit rules", asked))
    stored = await change(gateway, ref, by, if_match, lambda _: {"text": asked.content})
    tell_written(response, stored)
    return _shown(gateway, stage, stored)


@router.get("/{stage}/history", responses=DOCUMENT_READ)
async def read_history(
    gateway: Wired, stage: Stage, asked: Annotated[HistoryFilter, Query()]
) -> RulesHistory:
    """Changes, newest first."""
    found = await page(gateway, rules_ref(gateway.tenant, stage), asked)
    items = [_listed(gateway, stage, each) for each in found.written]
    return RulesHistory(items=items, next=found.next)


@router.get("/{stage}/versions/{version}", responses=DOCUMENT_READ)
async def read_version(
    gateway: Wired, stage: Stage, version: Annotated[VersionNumber, Path()]
) -> RulesRead:
    """The rules as they were."""
    return _shown(gateway, stage, await _at(gateway, stage, version))


@router.get("/{stage}/diff", responses=DOCUMENT_READ)
async def compare(gateway: Wired, stage: Stage, asked: Annotated[DiffFilter, Query()]) -> RulesDiff:
    """How two versions differ."""
    before, after = asked.from_, asked.to or await _in_force(gateway, stage)
    texts = [await _side(gateway, stage, side) for side in (before, after)]
    diff = await asyncio.to_thread(_difference, stage, (before, after), texts)
    return RulesDiff(stage=stage, from_version=before, to_version=after, diff=diff)


@router.post("/{stage}/restore", responses=DOCUMENT_WRITTEN)
async def restore(
    gateway: Wired,
    stage: Stage,
    asked: Restoration,
    response: Response,
    idempotency_key: Key = None,
    if_match: IfMatch = None,
) -> RulesRead:
    """Put an earlier version, or the shipped rules, in force again."""
    ref = rules_ref(gateway.tenant, stage)
    by = ids.document_command(gateway, ref, idempotency_key, spelled("restore rules", asked))
    content: Content | None = None
    if asked.version != _SHIPPED:
        content = (await _at(gateway, stage, int(asked.version))).document.content
    stored = await change(gateway, ref, by, if_match, lambda _: content)
    tell_written(response, stored)
    return _shown(gateway, stage, stored)


async def _at(gateway: Gateway, stage: Stage, version: int) -> Version:
    found = await gateway.documents.at(rules_ref(gateway.tenant, stage), version)
    if found is None:
        raise Missing("these rules have no such version")
    return found


async def _in_force(gateway: Gateway, stage: Stage) -> str:
    found = await newest(gateway, rules_ref(gateway.tenant, stage))
    return str(found.seq) if found else _SHIPPED


async def _side(gateway: Gateway, stage: Stage, side: str) -> str:
    if side == _SHIPPED:
        return gateway.shipped[stage]
    return _text(gateway, stage, await _at(gateway, stage, int(side)))


def _difference(stage: Stage, names: tuple[str, str], texts: list[str]) -> str:
    before, after = (text.splitlines() for text in texts)
    sides = [f"{stage}/{name}" for name in names]
    return "\n".join(unified_diff(before, after, sides[0], sides[1], lineterm=""))


def _text(gateway: Gateway, stage: Stage, version: Version | None) -> str:
    edited = rules_text(version)
    return gateway.shipped[stage] if edited is None else edited


def _shown(gateway: Gateway, stage: Stage, version: Version | None) -> RulesRead:
    text = _text(gateway, stage, version)
    return RulesRead(
        stage=stage,
        source="shipped" if rules_text(version) is None else "edited",
        version=version.seq if version else 0,
        size=len(text.encode()),
        updated_at=version.document.at if version else None,
        content=text,
    )


def _in_list(gateway: Gateway, now: Standing) -> RulesListed:
    shown = _shown(gateway, Stage(now.ref.id), now.version).model_dump(exclude={"content"})
    return RulesListed(**shown, unreadable=_unreadable(now.above) if now.above else None)


def _unreadable(above: Unreadable) -> RulesUnreadable:
    return RulesUnreadable(version=above.seq, why="newer" if above.too_new else "damaged")


def _listed(gateway: Gateway, stage: Stage, version: Version | Unreadable) -> RulesVersion:
    if isinstance(version, Unreadable):
        return RulesVersion(version=version.seq, source="unreadable", at=version.at)
    shown = _shown(gateway, stage, version)
    return RulesVersion(
        version=version.seq,
        source=shown.source,
        actor=version.document.actor,
        at=version.document.at,
        size=shown.size,
    )
