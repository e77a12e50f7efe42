"""What a new post gets where its order is silent: from its profile, then from the settings.

What was said counts by being said, not by differing from a default: 2,000 words asked for are 2,000
words, whatever the profile wants. And what every run is told: which edited rules it works by.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from shared.domain.commands import (
    CreatePost,
    RestartPost,
    RetryFailed,
    RunStage,
    StartPipeline,
)
from shared.domain.documents import (
    profile_in,
    profile_ref,
    rules_ref,
    rules_text,
    settings_in,
    settings_ref,
)
from shared.domain.values import PostConfig, Stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from uuid import UUID

    from services.gateway.context import Gateway
    from services.gateway.web.schemas import PostCreate
    from shared.domain.commands import AnyCommand
    from shared.domain.documents import DocRef, GlobalSettings, Version
    from shared.domain.profiles import Profile
    from shared.domain.values import CommandRef, ModelSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What stands behind new posts, as it was at one moment."""

    settings: GlobalSettings
    profiles: Mapping[UUID, Profile]
    models: dict[Stage, ModelSettings]
    rules: dict[Stage, int]

    def order(
        self, asked: PostCreate, by: CommandRef, post_id: UUID, slug: str, *, start: bool = True
    ) -> CreatePost:
        """The order with everything it was silent about."""
        profile = self.profiles.get(asked.profile_id) if asked.profile_id else None
        return CreatePost(
            post_id=post_id,
            by=by,
            config=_config(asked, profile, slug),
            gates={
                **self.settings.stage_settings,
                **(profile.default_stage_settings if profile else {}),
                **asked.stage_settings,
            },
            models=self.models,
            gate_deadline_s=asked.gate_deadline_s,
            gate_outcome=asked.gate_outcome,
            rules=self.rules,
            start=start,
        )

    def knows(self, profile: UUID | None) -> bool:
        """Whether a post may name this profile."""
        return profile is None or profile in self.profiles


def _config(asked: PostCreate, profile: Profile | None, slug: str) -> PostConfig:
    config = asked.config(slug)
    if profile is None:
        return config
    said = {name for name in asked.model_fields_set if getattr(asked, name) is not None}
    given = {name: value for name, value in profile.prefills().items() if name not in said}
    return config.model_copy(update=given)


async def defaults(gateway: Gateway, profiles: Iterable[UUID | None] = ()) -> Defaults:
    """What stands behind posts of these profiles now, in one round trip."""
    named = {profile: profile_ref(gateway.tenant, profile) for profile in profiles if profile}
    rules = _rules_refs(gateway)
    settings = settings_ref(gateway.tenant)
    found = await gateway.documents.latest([settings, *rules.values(), *named.values()])
    said = settings_in(found.get(settings))
    known = {profile: profile_in(found.get(ref)) for profile, ref in named.items()}
    return Defaults(
        settings=said,
        profiles={name: profile for name, profile in known.items() if profile is not None},
        models=_models(gateway, said),
        rules=_pins(rules, found),
    )


async def pinned(gateway: Gateway, command: AnyCommand) -> AnyCommand:
    """The command; if it starts a pipeline, with the rules in force for every stage."""
    if not isinstance(command, StartPipeline | RunStage | RestartPost | RetryFailed):
        return command
    refs = _rules_refs(gateway)
    found = await gateway.documents.latest(list(refs.values()))
    return replace(command, rules=_pins(refs, found))


def _rules_refs(gateway: Gateway) -> dict[Stage, DocRef]:
    return {stage: rules_ref(gateway.tenant, stage) for stage in Stage}


def _pins(refs: Mapping[Stage, DocRef], found: Mapping[DocRef, Version]) -> dict[Stage, int]:
    return {
        stage: found[ref].seq
        for stage, ref in refs.items()
        if rules_text(found.get(ref)) is not None
    }


def _models(gateway: Gateway, settings: GlobalSettings) -> dict[Stage, ModelSettings]:
    return {
        stage: choices.chosen(settings.stage_models.get(stage))
        for stage, choices in gateway.choices.items()
    }
