"""Settings come from the environment, and what is wrong with them is said in one sentence."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from shared.domain.values import Stage
from shared.errors import Misconfigured
from shared.settings import (
    Attempts,
    Claude,
    Gemini,
    Health,
    Models,
    Nats,
    Perplexity,
    Postgres,
    Process,
    load,
    secrets,
)


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in os.environ:
        if name.startswith("GALLEY_"):
            monkeypatch.delenv(name)


def test_a_missing_setting_is_named_with_its_cure() -> None:
    with pytest.raises(Misconfigured) as caught:
        load(Postgres)
    assert "GALLEY_POSTGRES_DSN is not set" in str(caught.value)
    assert "postgresql://" in str(caught.value)


def test_all_missing_settings_are_named_at_once() -> None:
    with pytest.raises(Misconfigured) as caught:
        load(Nats)
    for name in ("GALLEY_NATS_URL", "GALLEY_NATS_USER", "GALLEY_NATS_PASSWORD"):
        assert name in str(caught.value)


def test_an_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GALLEY_CONCURRENCY", "")
    assert load(Process).concurrency == 4
    monkeypatch.setenv("GALLEY_CLAUDE_API_KEY", "")
    with pytest.raises(Misconfigured, match="GALLEY_CLAUDE_API_KEY is not set"):
        load(Claude)


@pytest.mark.parametrize(
    ("name", "value", "settings"),
    [
        ("GALLEY_CONCURRENCY", "0", Process),
        ("GALLEY_CONCURRENCY", "many", Process),
        ("GALLEY_LOG_FORMAT", "xml", Process),
        ("GALLEY_TENANT", "a.b", Process),
        ("GALLEY_TENANT", "*", Process),
        ("GALLEY_TENANT", "a b", Process),
        ("GALLEY_SIMULATED", "claude,openai", Process),
        ("GALLEY_STAGE_DEADLINE_S", "-1", Process),
        ("GALLEY_STAGE_DEADLINE_S", "nan", Process),
        ("GALLEY_STAGE_DEADLINE_S", "inf", Process),
        ("GALLEY_HEALTH_PORT", "70000", Health),
        ("GALLEY_ATTEMPTS_MAX_ATTEMPTS", "0", Attempts),
        ("GALLEY_MODELS", "{", Models),
        ("GALLEY_MODELS", '{"wrong": {}}', Models),
        ("GALLEY_MODELS", '{"write": {"provider": "claude"}}', Models),
    ],
)
def test_a_wrong_setting_is_named_with_its_cure(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, settings: type[Process]
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(Misconfigured) as caught:
        load(settings)
    assert name in str(caught.value)
    assert "set it to" in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("address", ["not a url", "ftp://x", "http://", "//x"])
def test_a_provider_is_reached_over_http_only(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("GALLEY_GEMINI_API_KEY", "k")
    monkeypatch.setenv("GALLEY_GEMINI_BASE_URL", address)
    with pytest.raises(Misconfigured, match="GALLEY_GEMINI_BASE_URL"):
        load(Gemini)


def test_no_message_and_no_representation_shows_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GALLEY_CLAUDE_API_KEY", "canary-key")
    monkeypatch.setenv("GALLEY_CLAUDE_TIMEOUT_S", "canary-timeout")
    with pytest.raises(Misconfigured) as caught:
        load(Claude)
    assert "canary" not in str(caught.value)
    monkeypatch.setenv("GALLEY_CLAUDE_TIMEOUT_S", "5")
    assert "canary" not in f"{load(Claude)!r} {load(Claude)}"


def test_each_provider_has_its_own_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CLAUDE", "GEMINI", "PERPLEXITY"):
        monkeypatch.setenv(f"GALLEY_{name}_API_KEY", "k")
    limits = [load(each).timeout_s for each in (Claude, Gemini, Perplexity)]
    assert limits == [300, 180, 120]


def test_every_stage_has_a_model_and_one_can_be_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    told = '{"write": {"provider": "claude", "model": "claude-opus-5-5", "effort": "high"}}'
    monkeypatch.setenv("GALLEY_MODELS", told)
    models = load(Models).of_stages()
    assert set(models) == set(Stage)
    assert models[Stage.WRITE].model == "claude-opus-5-5"
    assert models[Stage.EDIT].model == "claude-sonnet-5-5"
    assert models[Stage.IMAGES].image_model == "gemini-3.1-flash-image"


@pytest.mark.parametrize(("wire", "model"), [("agent", "perplexity/sonar"), ("chat", "sonar-pro")])
def test_research_asks_for_the_model_by_the_name_its_wire_knows(
    monkeypatch: pytest.MonkeyPatch, wire: str, model: str
) -> None:
    monkeypatch.setenv("GALLEY_PERPLEXITY_WIRE", wire)
    monkeypatch.setenv("GALLEY_PERPLEXITY_API_KEY", "k")
    assert load(Models).of_stages()[Stage.RESEARCH].model == model
    assert load(Perplexity).wire == wire


def test_simulated_providers_are_a_list_of_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GALLEY_SIMULATED", " claude, gemini ,")
    assert load(Process).simulated == ("claude", "gemini")


def test_the_secrets_of_settings_include_the_password_within_an_address() -> None:
    postgres = Postgres(dsn=SecretStr("postgresql://galley:p%40ss@host/db"))
    nats = Nats(url="nats://x", user="research", password=SecretStr("word"))
    found = set(secrets(postgres, nats))
    assert found == {"postgresql://galley:p%40ss@host/db", "p%40ss", "p@ss", "word"}


def test_an_address_that_is_none_still_is_a_secret() -> None:
    assert list(secrets(Postgres(dsn=SecretStr("http://[broken")))) == ["http://[broken"]
