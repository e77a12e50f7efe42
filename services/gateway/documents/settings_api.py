"""Settings that hold for every post to come: read whole, changed key by key."""

# ruff: noqa: TC001  (FastAPI reads the annotations)

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Response

from services.gateway.context import Wired
from services.gateway.control.deciding import Key, spelled
from services.gateway.documents.documents import (
    change,
    newest,
    standing,
    tell_standing,
    tell_written,
)
from services.gateway.documents.history import DocumentHistory, HistoryFilter, page, told
from services.gateway.documents.model_choices import require_legal
from services.gateway.documents.settings_models import (
    KEYS,
    SettingRead,
    SettingsChange,
    StageModelRead,
    StageModelsRead,
)
from services.gateway.web import ids
from services.gateway.web.documented import DOCUMENT_WRITTEN, LISTED
from services.gateway.web.preconditions import IfMatch
from services.gateway.web.problems import NoSigningSecret
from shared.domain.documents import ModelChoice, Version, settings_in, settings_ref
from shared.domain.values import GateMode, Stage

if TYPE_CHECKING:
    from services.gateway.context import Gateway
    from services.gateway.documents.documents import Content
    from services.gateway.documents.model_choices import Choices
    from shared.domain.documents import GlobalSettings, Webhook

router = APIRouter(prefix="/api/settings", tags=["settings"])


async def in_force(gateway: Gateway) -> GlobalSettings:
    """The settings as they are now."""
    return settings_in(await newest(gateway, settings_ref(gateway.tenant)))


async def webhook(gateway: Gateway) -> Webhook | None:
    """Where the settings say to tell what happened."""
    return (await in_force(gateway)).webhook


@router.get("", responses=LISTED)
async def read_settings(gateway: Wired, response: Response) -> list[SettingRead]:
    """Every setting, by key."""
    now = await standing(gateway, settings_ref(gateway.tenant))
    tell_standing(response, now)
    return _shown(now.version)


@router.patch("", responses=DOCUMENT_WRITTEN)
async def change_settings(
    gateway: Wired,
    asked: SettingsChange,
    response: Response,
    idempotency_key: Key = None,
    if_match: IfMatch = None,
) -> list[SettingRead]:
    """Give new values to the keys that are named. New posts and the workers obey at once."""
    _require_legal(gateway, asked)
    ref = settings_ref(gateway.tenant)
    by = ids.document_command(gateway, ref, idempotency_key, spelled("change settings", asked))
    at = gateway.clock().isoformat()

    def make(now: Version | None) -> Content:
        values, changed = _part(now, "values"), _part(now, "changed")
        return {
            "values": asked.applied_to(values),
            "changed": changed | dict.fromkeys(sorted(asked.model_fields_set), at),
        }

    stored = await change(gateway, ref, by, if_match, make)
    tell_written(response, stored)
    return _shown(stored)


@router.get("/history", responses=LISTED)
async def read_history(gateway: Wired, asked: Annotated[HistoryFilter, Query()]) -> DocumentHistory:
    """Changes of the settings, newest first."""
    return told(await page(gateway, settings_ref(gateway.tenant), asked))


@router.get("/stage-models", responses=LISTED)
async def read_stage_models(gateway: Wired) -> StageModelsRead:
    """What each stage of a new post will call, and what it may be set to."""
    said = (await in_force(gateway)).stage_models
    return StageModelsRead(
        stages=[
            _stage_model(stage, choices, said.get(stage, ModelChoice()))
            for stage, choices in gateway.choices.items()
        ]
    )


def _stage_model(stage: Stage, choices: Choices, said: ModelChoice) -> StageModelRead:
    chosen = choices.chosen(said)
    return StageModelRead(
        stage=stage,
        provider=chosen.provider,
        model=chosen.model,
        model_source="global" if said.model else "default",
        effort=chosen.effort,
        effort_source="global" if said.effort else "default",
        image_model=chosen.image_model or None,
        image_model_source="global" if said.image_model else "default",
        models=list(choices.models),
        efforts=list(choices.efforts),
        image_models=list(choices.image_models),
    )


def _require_legal(gateway: Gateway, asked: SettingsChange) -> None:
    """Raises what a request with a value out of bounds raises, and `NoSigningSecret`."""
    said = asked.stage_models or {}
    require_legal(gateway.choices, {stage: each.choice for stage, each in said.items()})
    if asked.webhook is not None and not gateway.signs:
        raise NoSigningSecret


def _shown(version: Version | None) -> list[SettingRead]:
    values, changed = _in_force(version), _part(version, "changed")
    return [
        SettingRead(
            key=key,
            value=values[key],
            version=version.seq if version else 0,
            updated_at=changed.get(key),
        )
        for key in KEYS
    ]


def _in_force(version: Version | None) -> dict[str, Any]:
    """Every value; what was never set shows what holds instead."""
    values = settings_in(version).model_dump(mode="json")
    gates = dict.fromkeys(Stage, GateMode.AUTO)
    return values | {"stage_settings": gates | values["stage_settings"]}


def _part(version: Version | None, name: str) -> dict[str, Any]:
    content = version.document.content if version else None
    found = (content or {}).get(name)
    return found if isinstance(found, dict) else {}
