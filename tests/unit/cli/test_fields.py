"""What a person writes as FIELD=VALUE, and what becomes of it."""

from __future__ import annotations

import pytest

from services.gateway.documents.profile_models import ProfileChange
from services.gateway.documents.settings_models import SettingsChange
from services.gateway.posts.patch import PostPatch
from services.gateway.web.schemas import PostCreate
from shared.cli.fields import EDITABLE, OF_PROFILES, ORDERED, fields, outputs, settings
from shared.errors import Misconfigured


def test_a_value_is_a_text_a_number_a_list_or_the_default() -> None:
    words = [
        "tone=Dry = exact",
        "word_count=900",
        "gate_deadline_s=60",
        "related_keywords=a; b|c",
        "niche=",
    ]
    assert fields(words, EDITABLE) == {
        "tone": "Dry = exact",
        "word_count": 900,
        "gate_deadline_s": 60,
        "related_keywords": ["a", "b", "c"],
        "niche": None,
    }


@pytest.mark.parametrize("said", ["many", "-3", "1e3", "9" * 30, "²"])
def test_what_is_no_number_is_left_for_the_gateway_to_refuse(said: str) -> None:
    assert fields([f"word_count={said}"], EDITABLE) == {"word_count": said}


def test_a_field_that_comes_twice_is_refused() -> None:
    with pytest.raises(Misconfigured, match="tone is named twice"):
        fields(["tone=a", "tone=b"], EDITABLE)


def test_the_fields_are_those_the_gateway_takes() -> None:
    aside = {"stage_settings", "stage_models"}
    texts = {name for name in PostPatch.model_fields if name.endswith("_content")}
    assert set(EDITABLE) == PostPatch.model_fields.keys() - aside - texts
    apart = {"topic", "profile_id", "stage_settings"}
    assert set(ORDERED) == PostCreate.model_fields.keys() - apart
    assert set(OF_PROFILES) == ProfileChange.model_fields.keys() - {"default_stage_settings"}


def test_a_text_replaces_what_a_stage_made() -> None:
    assert outputs(["edit=a=b.md"]) == {"final_md_content": "a=b.md"}
    assert set(outputs([f"{stage}=x" for stage in ("research", "outline", "write", "ready")])) == {
        name for name in PostPatch.model_fields if name.endswith("_content")
    } - {"final_md_content"}


NOW = {
    "concurrency": {"write": 2, "edit": 3},
    "stage_models": {"edit": {"model": None, "effort": "low"}},
    "budgets": {"day_usd": 5.0, "post_usd": None},
    "webhook": None,
}


@pytest.mark.parametrize(
    ("words", "sent"),
    [
        (["concurrency.write=4"], {"concurrency": {"write": 4, "edit": 3}}),
        (["concurrency.write="], {"concurrency": {"edit": 3}}),
        (["concurrency.write=", "concurrency.edit="], {"concurrency": None}),
        (["concurrency="], {"concurrency": None}),
        (["budgets.day_usd="], {"budgets": None}),
        (
            ["stage_models.edit.model=m"],
            {"stage_models": {"edit": {"model": "m", "effort": "low"}}},
        ),
        (["stage_models.edit.effort="], {"stage_models": None}),
        (["webhook.url=https://a/b"], {"webhook": {"url": "https://a/b"}}),
        (['webhook={"url": "https://a/b"}'], {"webhook": {"url": "https://a/b"}}),
    ],
)
def test_a_part_of_a_setting_changes_and_the_others_stay(
    words: list[str], sent: dict[str, object]
) -> None:
    said = settings(words, NOW)
    assert said == sent
    SettingsChange.model_validate(said)


def test_a_setting_there_is_not_is_named_with_those_there_are() -> None:
    with pytest.raises(Misconfigured, match="no setting 'moon'; there are budgets, conc"):
        settings(["moon.phase=3"], NOW)
