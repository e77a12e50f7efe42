"""Profiles: what the posts of one site have in common, kept as versioned documents."""

# ruff: noqa: TC001, TC003  (FastAPI reads the annotations)

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from services.gateway.context import Wired
from services.gateway.control.deciding import Key, spelled
from services.gateway.documents.documents import (
    change,
    standing,
    tell_standing,
    tell_written,
)
from services.gateway.documents.history import DocumentHistory, HistoryFilter, page, told
from services.gateway.documents.profile_models import (
    ProfileChange,
    ProfileCreate,
    ProfileFilter,
    ProfilePage,
    ProfileRead,
    shown,
)
from services.gateway.web import ids
from services.gateway.web.documented import DOCUMENT_READ, DOCUMENT_WRITTEN, LISTED
from services.gateway.web.preconditions import IfMatch
from shared.domain.documents import Kind, Version, profile_in, profile_ref
from shared.errors import Malformed, NoSuchProfile

if TYPE_CHECKING:
    from services.gateway.documents.documents import Content

router = APIRouter(prefix="/api/profiles", tags=["profiles"])


@router.post("", status_code=201, responses=DOCUMENT_WRITTEN)
async def create_profile(
    gateway: Wired, asked: ProfileCreate, response: Response, idempotency_key: Key = None
) -> ProfileRead:
    """Keep what the posts of a site have in common."""
    profile_id = ids.profile_id(gateway, idempotency_key)
    ref = profile_ref(gateway.tenant, profile_id)
    by = ids.document_command(gateway, ref, idempotency_key, spelled("create profile", asked))
    created_at = gateway.clock().isoformat()

    def make(_: Version | None) -> Content:
        return asked.applied_to({"created_at": created_at})

    stored = await change(gateway, ref, by, None, make)
    tell_written(response, stored)
    response.headers["Location"] = f"/api/profiles/{profile_id}"
    return _existing(stored)


@router.get("", responses=LISTED)
async def list_profiles(gateway: Wired, asked: Annotated[ProfileFilter, Query()]) -> ProfilePage:
    """Profiles by name."""
    versions = await gateway.documents.every(gateway.tenant, Kind.PROFILE)
    found = [shown(each, profile) for each in versions if (profile := profile_in(each))]
    wanted = asked.q.casefold()
    found = [each for each in found if wanted in each.name.casefold()]
    found.sort(key=lambda each: (each.name.casefold(), each.id))
    first = (asked.page - 1) * asked.per_page
    return ProfilePage(
        items=found[first : first + asked.per_page],
        total=len(found),
        page=asked.page,
        per_page=asked.per_page,
        pages=-(-len(found) // asked.per_page),
    )


@router.get("/{profile_id}", responses=DOCUMENT_READ)
async def read_profile(gateway: Wired, profile_id: UUID, response: Response) -> ProfileRead:
    """A profile, whole."""
    now = await standing(gateway, profile_ref(gateway.tenant, profile_id))
    if now.version is None and now.above is not None:
        raise Malformed("this profile was never written in a way that can be read")
    tell_standing(response, now)
    return _existing(now.version)


@router.get("/{profile_id}/history", responses=DOCUMENT_READ)
async def read_history(
    gateway: Wired, profile_id: UUID, asked: Annotated[HistoryFilter, Query()]
) -> DocumentHistory:
    """Changes of a profile, newest first; a deleted one still has them."""
    found = await page(gateway, profile_ref(gateway.tenant, profile_id), asked)
    if not found.written and asked.cursor is None:
        raise NoSuchProfile
    return told(found)


@router.patch("/{profile_id}", responses=DOCUMENT_WRITTEN)
async def change_profile(
    gateway: Wired,
    profile_id: UUID,
    asked: ProfileChange,
    response: Response,
    idempotency_key: Key = None,
    if_match: IfMatch = None,
) -> ProfileRead:
    """Change what is named and nothing else; posts that exist already stay as they are."""
    ref = profile_ref(gateway.tenant, profile_id)
    by = ids.document_command(gateway, ref, idempotency_key, spelled("change profile", asked))
    stored = await change(gateway, ref, by, if_match, lambda now: asked.applied_to(_content(now)))
    tell_written(response, stored)
    return _existing(stored)


@router.delete("/{profile_id}", status_code=204, responses=DOCUMENT_WRITTEN)
async def delete_profile(
    gateway: Wired,
    profile_id: UUID,
    response: Response,
    idempotency_key: Key = None,
    if_match: IfMatch = None,
) -> None:
    """Take a profile out of use. Its posts stay, and go on naming it."""
    ref = profile_ref(gateway.tenant, profile_id)
    by = ids.document_command(gateway, ref, idempotency_key, spelled("delete profile"))

    def make(now: Version | None) -> None:
        _content(now)

    tell_written(response, await change(gateway, ref, by, if_match, make))


def _content(version: Version | None) -> Content:
    if version is None or version.document.content is None:
        raise NoSuchProfile
    return version.document.content


def _existing(version: Version | None) -> ProfileRead:
    profile = profile_in(version)
    if version is None or profile is None:
        raise NoSuchProfile
    return shown(version, profile)
