"""What a person is told of a plant's processes."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from shared.cli.narrator import Narrator
from shared.local.supervisor import Notice


@pytest.mark.parametrize(
    ("notice", "said"),
    [
        (
            Notice(kind="crashed", name="write", code=1, again_in=0.4, told="galley: no paper"),
            "write ended by itself (code 1: no paper); started again in 0.4 s\n",
        ),
        (
            Notice(kind="crashed", name="write", code=-9),
            "write ended by itself (was killed by signal 9); started again in 0.0 s\n",
        ),
        (
            Notice(kind="given up", name="zygote", code=1, told="ImportError: no"),
            "zygote ended by itself (code 1: ImportError: no); services start without it, slower\n",
        ),
        (Notice(kind="started", name="write"), ""),
        (Notice(kind="killed", name="write", code=-9), ""),
    ],
)
def test_a_process_that_ends_by_itself_is_told_with_what_follows(notice: Notice, said: str) -> None:
    paper = io.StringIO()
    Narrator(Console(file=paper, width=200))(notice)
    assert paper.getvalue() == said
