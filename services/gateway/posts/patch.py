"""What a change of a post may say: only what is named changes, null sets a field back.

The slug and the profile stand in addresses and claims, so they are no fields here; the image
manifest is made by the server. A changed gate deadline holds for the review that is open as well,
counted from when it was opened: one that has gone by already is carried out at once. A stage whose
model is named gets what a new post would get, with what is said in its place; a run under way goes
on with the model it was started with.
"""

# ruff: noqa: TC001  (pydantic reads the annotations)

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from services.gateway.documents.settings_models import ChosenModels, ModelChange
from services.gateway.web.schemas import Asked, Dollars, Outcome, Seconds, Terms, Urls, WordCount
from services.gateway.web.text import (
    ArticleType,
    Content,
    Intent,
    Line,
    OutputFormat,
    Text,
    Topic,
    Url,
)
from shared.domain.commands import ChangePost
from shared.domain.status import CONTENT_FIELDS
from shared.domain.values import ORDER, GateMode, GateTerms, PostConfig, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from uuid import UUID

    from shared.domain.values import CommandRef, ModelSettings

_GATES = "stage_settings"
_MODELS = "stage_models"


class PostPatch(Asked):
    """Any subset of a post's fields. Null is the field's default; a topic and a text have none."""

    topic: Topic = ""
    target_audience: Text | None = None
    niche: Line | None = None
    intent: Intent | None = None
    article_type: ArticleType | None = None
    additional_info: Text | None = None
    word_count: WordCount | None = None
    tone: Line | None = None
    output_format: OutputFormat | None = None
    website_url: Url | None = None
    related_keywords: Terms | None = None
    competitor_urls: Urls | None = None
    image_style: Text | None = None
    image_brand_colors: Terms | None = None
    image_exclude: Terms | None = None
    brand_voice: Text | None = None
    avoid: Text | None = None
    required_mentions: Text | None = None
    budget_usd: Dollars | None = None
    stage_settings: dict[Stage, GateMode | None] | None = None
    gate_deadline_s: Seconds | None = None
    gate_outcome: Outcome | None = None
    stage_models: ChosenModels | None = None
    research_content: Content = ""
    outline_content: Content = ""
    draft_content: Content = ""
    final_md_content: Content = ""
    ready_content: Content = ""

    @property
    def named(self) -> frozenset[str]:
        """What it changes; each gate and each stage's model counts as a field of its own."""
        fields = self.model_fields_set - {_GATES, _MODELS}
        gates = {f"{_GATES}.{stage}" for stage in self.gates}
        models = {f"{_MODELS}.{stage}" for stage in self.models}
        return frozenset({*fields, *gates, *models})

    def merged(self, later: PostPatch) -> PostPatch:
        """Both, of the same fields: what was said later counts."""
        said = {name: getattr(later, name) for name in later.model_fields_set}
        if _GATES in self.model_fields_set | later.model_fields_set:
            said[_GATES] = self.gates | later.gates
        if _MODELS in self.model_fields_set | later.model_fields_set:
            said[_MODELS] = self.models | later.models
        return self.model_copy(update=said)

    @property
    def gates(self) -> dict[Stage, GateMode]:
        if _GATES not in self.model_fields_set:
            return {}
        if self.stage_settings is None:
            return dict.fromkeys(ORDER, GateMode.AUTO)
        return {stage: mode or GateMode.AUTO for stage, mode in self.stage_settings.items()}

    @property
    def models(self) -> dict[Stage, ModelChange]:
        if _MODELS not in self.model_fields_set:
            return {}
        if self.stage_models is None:
            return dict.fromkeys(ORDER, ModelChange())
        return self.stage_models

    def command(
        self, post_id: UUID, by: CommandRef, models: Mapping[Stage, ModelSettings]
    ) -> ChangePost:
        """The change as `decide` takes it; `models` is what becomes of those it names."""
        return ChangePost(
            post_id=post_id,
            by=by,
            actor=by.actor,
            fields={name: self._value(name) for name in self.model_fields_set & _CONFIG},
            gates=self.gates,
            terms=self._terms(),
            models=models,
            texts={
                stage: getattr(self, name)
                for stage, name in CONTENT_FIELDS.items()
                if name in self.model_fields_set
            },
        )

    def _terms(self) -> dict[str, Any]:
        said: dict[str, Any] = {}
        if "gate_deadline_s" in self.model_fields_set:
            said["deadline_s"] = self.gate_deadline_s
        if "gate_outcome" in self.model_fields_set:
            said["outcome"] = self.gate_outcome or GateTerms().outcome
        return said

    def _value(self, name: str) -> Any:  # noqa: ANN401  a field of PostConfig
        value = getattr(self, name)
        return PostConfig.model_fields[name].default if value is None else value


_CONFIG = frozenset(PostConfig.model_fields)
