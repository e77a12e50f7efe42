"""A changed file concerns those that load it, and nobody else."""

from __future__ import annotations

import pytest

from shared.local.concerned import ROOT, concerned
from shared.local.environment import SERVICES

EVERYBODY = {*SERVICES, "simulator"}


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        ("services/write/prompt.md", {"write"}),
        ("services/write/stage.py", {"write"}),
        ("services/gateway/ui/style.css", {"gateway"}),
        ("services/projector/migrations/0001.sql", {"projector"}),
        ("shared/providers/gemini.py", {"images"}),
        ("shared/providers/perplexity.py", {"research"}),
        ("shared/simulator/app.py", {"simulator"}),
        ("shared/local/supervisor.py", set()),
        ("shared/cli/app.py", set()),
        ("shared/no_such_file.py", set()),
    ],
)
def test_a_change_concerns_those_that_load_the_file(changed: str, names: set[str]) -> None:
    assert concerned([ROOT / changed], EVERYBODY) == names


def test_the_fold_concerns_every_service() -> None:
    assert concerned([ROOT / "shared/domain/post.py"], EVERYBODY) >= set(SERVICES)


def test_the_price_table_concerns_those_who_count_money() -> None:
    found = concerned([ROOT / "shared/providers/prices.json"], EVERYBODY)
    assert {"research", "images", "simulator"} <= found


def test_what_only_the_type_checker_imports_concerns_nobody() -> None:
    """The gateway reaches this file through annotations alone."""
    assert "gateway" not in concerned([ROOT / "shared/content/chatter.py"], EVERYBODY)


def test_only_those_asked_about_are_named() -> None:
    assert concerned([ROOT / "shared/errors.py"], ["write"]) == {"write"}
