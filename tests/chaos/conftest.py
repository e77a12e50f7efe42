"""Hands each test its drill; one that fails tells what was done and how to do it again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.chaos.drill import Drill, drill_of

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.fixture
def drill(request: pytest.FixtureRequest) -> Drill:
    return drill_of(request.node.name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    made = getattr(item, "funcargs", {}).get("drill")
    if report.failed and isinstance(made, Drill):
        report.sections.append(("what was done, and how to do it again", made.told()))
    return report
