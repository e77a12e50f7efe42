"""Profiles, settings and rules: documents with versions, every one of them kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.client.reports import (
    Profile,
    Rules,
    RulesDiff,
    RulesHistory,
    RulesListed,
    RulesVersion,
    Setting,
    StageModel,
    StageModels,
)
from shared.client.requests import Requests, given

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


class Documents(Requests):
    """The part of the client that is about what holds for posts to come.

    A change that names the `version` it was decided on is refused with `StateConflict` when there
    is a newer one.
    """

    def profiles(self, q: str | None = None) -> AsyncGenerator[Profile]:
        """Every profile by name, page by page; with `q`, those whose name holds it."""
        return self._each(Profile, "/api/profiles", {"q": q})

    async def profile(self, profile_id: str) -> Profile:
        """A profile, whole. Raises `NotFound`."""
        return await self._one(Profile, f"/api/profiles/{profile_id}")

    async def create_profile(
        self, name: str, *, idempotency_key: str | None = None, **fields: object
    ) -> Profile:
        """Keep what the posts of a site have in common; fields left out stay unsaid."""
        body = {"name": name, **fields}
        return await self._changed(Profile, "POST", "/api/profiles", body=body, key=idempotency_key)

    async def change_profile(
        self, profile_id: str, *, version: int | None = None, **fields: object
    ) -> Profile:
        """Change these fields, None takes one back; posts that exist stay as they are."""
        path = f"/api/profiles/{profile_id}"
        return await self._changed(Profile, "PATCH", path, body=fields, version=version)

    async def delete_profile(self, profile_id: str, *, version: int | None = None) -> None:
        """Take a profile out of use. Its posts stay, and go on naming it."""
        await self._change("DELETE", f"/api/profiles/{profile_id}", version=version)

    async def settings(self) -> list[Setting]:
        """Every key with its value and version."""
        return await self._many(Setting, "/api/settings")

    async def change_settings(self, *, version: int | None = None, **keys: object) -> list[Setting]:
        """Give these keys a whole new value; None takes one back to its default."""
        answer = await self._change("PATCH", "/api/settings", keys, version=version)
        return self._connection.many(answer)

    async def stage_models(self) -> list[StageModel]:
        """What each stage of a new post will call, and what it may be set to."""
        return (await self._one(StageModels, "/api/settings/stage-models"))["stages"]

    async def all_rules(self) -> list[RulesListed]:
        """The rules in force for every stage, without their texts."""
        return await self._many(RulesListed, "/api/rules")

    async def rules(self, stage: str, version: int | None = None) -> Rules:
        """The rules of a stage in force, or as they were. Raises `NotFound`."""
        past = "" if version is None else f"/versions/{version}"
        return await self._one(Rules, f"/api/rules/{stage}{past}")

    async def change_rules(self, stage: str, content: str, *, version: int | None = None) -> Rules:
        """Put a new text in force, for the pipelines that start from now on."""
        path, body = f"/api/rules/{stage}", given({"content": content})
        return await self._changed(Rules, "PUT", path, body=body, version=version)

    async def rules_history(self, stage: str) -> AsyncGenerator[RulesVersion]:
        """Every change, newest first, page by page."""
        path, cursor = f"/api/rules/{stage}/history", None
        while True:
            page = await self._one(RulesHistory, path, {"cursor": cursor})
            for each in page["items"]:
                yield each
            if (cursor := page["next"]) is None:
                return

    async def rules_diff(
        self, stage: str, before: str = "shipped", after: str | None = None
    ) -> RulesDiff:
        """How two versions (numbers, or "shipped") differ; `after` is the one in force if None."""
        asked = {"from": before, "to": after}
        return await self._one(RulesDiff, f"/api/rules/{stage}/diff", asked)

    async def restore_rules(self, stage: str, version: int | str) -> Rules:
        """Put an earlier version, or "shipped", in force again. Raises `NotFound`."""
        path, body = f"/api/rules/{stage}/restore", given({"version": version})
        return await self._changed(Rules, "POST", path, body=body)
