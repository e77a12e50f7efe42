"""What the settings may say, key by key: every value bounded, and refused with the legal ones."""

# ruff: noqa: TC003  (pydantic reads the annotations)

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    JsonValue,
    WithJsonSchema,
    model_validator,
)

from services.gateway.web.answers import Answer
from services.gateway.web.schemas import Asked, Dollars
from services.gateway.web.text import HookUrl, Line, whole
from shared.domain.documents import ModelChoice
from shared.domain.notices import EVENTS
from shared.domain.values import GateMode, NoticeEvent, Stage

type Effort = Literal["low", "medium", "high"]
type Slots = Annotated[int, Field(strict=True, ge=1, le=100), BeforeValidator(whole)]
# No alias of the document's: only what is replaced there would refer to it.
ModelName = Annotated[Line, Field(min_length=1, max_length=100)]


class ModelChange(Asked):
    """The stage's default where nothing is said."""

    model: ModelName | None = None
    effort: Effort | None = None
    image_model: ModelName | None = None

    @property
    def choice(self) -> ModelChoice:
        """The same as the log keeps it."""
        return ModelChoice.model_validate(self.model_dump())


type ChosenModels = Annotated[dict[Stage, ModelChange], WithJsonSchema({"type": "object"})]
"""What the stages named are to call. The document says which models are legal for which stage."""


class BudgetsChange(Asked):
    """Caps in US dollars; null is no cap."""

    post_usd: Dollars | None = None
    day_usd: Dollars | None = None


class WebhookChange(Asked):
    """Where to tell what happened, and which events. It is signed with GALLEY_WEBHOOK_SECRET."""

    url: HookUrl
    events: Annotated[
        list[NoticeEvent],
        Field(min_length=1, max_length=20, json_schema_extra={"uniqueItems": True}),
    ] = Field(default=list(EVENTS))

    @model_validator(mode="after")
    def _named_once(self) -> WebhookChange:
        if len(set(self.events)) < len(self.events):
            raise ValueError("an event is named twice")
        return self


class SettingsChange(Asked):
    """Each key that is named gets a new value, whole; null takes it back to its default."""

    stage_settings: dict[Stage, GateMode] | None = None
    stage_models: ChosenModels | None = None
    concurrency: dict[Stage, Slots] | None = None
    budgets: BudgetsChange | None = None
    webhook: WebhookChange | None = None

    @model_validator(mode="before")
    @classmethod
    def _known_keys(cls, said: Any) -> Any:  # noqa: ANN401  whatever a client sends
        if isinstance(said, dict) and not said.keys() <= cls.model_fields.keys():
            raise ValueError(f"the keys are {', '.join(KEYS)}")
        return said

    def applied_to(self, values: dict[str, Any]) -> dict[str, Any]:
        """The stored values with what this says, and without what it takes back."""
        merged = values | {key: self._spelled(key) for key in self.model_fields_set}
        return {key: value for key, value in merged.items() if value is not None}

    def _spelled(self, key: str) -> JsonValue:
        dumped = self.model_dump(mode="json", include={key}, exclude_none=True)
        value: JsonValue = dumped.get(key)
        return value


KEYS = tuple(sorted(SettingsChange.model_fields))


class SettingRead(Answer):
    """A setting in force. `version` is the settings' version, 0 when none was ever changed."""

    key: str
    value: JsonValue
    version: int
    updated_at: datetime | None = None


class StageModelRead(Answer):
    """What a stage of a new post will call, and what it may be set to."""

    stage: Stage
    provider: str
    model: str
    model_source: Literal["default", "global"]
    effort: Effort | None
    effort_source: Literal["default", "global"]
    image_model: str | None
    image_model_source: Literal["default", "global"]
    models: list[str]
    efforts: list[str]
    image_models: list[str]


class StageModelsRead(Answer):
    stages: list[StageModelRead]
