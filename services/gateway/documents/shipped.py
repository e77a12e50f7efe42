"""The rules that each stage's service was shipped with."""

from __future__ import annotations

from importlib.resources import files

from shared.domain.values import Stage


def shipped_rules() -> dict[Stage, str]:
    """Read as packaged files, so that no service is imported."""
    return {
        stage: files("services").joinpath(stage.value, "prompt.md").read_text("utf-8")
        for stage in Stage
    }
