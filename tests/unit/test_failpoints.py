"""A process that is armed dies or stands still exactly where it was told, and a wrong name is
refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from shared.errors import Misconfigured
from shared.failpoints import PLACES, arm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PASSES = """
import sys
from pathlib import Path
from shared import failpoints

failpoints.arm(sys.argv[1], Path(sys.argv[2]) if sys.argv[2] else None, "write")
for number in range(3):
    print(number, flush=True)
    failpoints.reached("run.read")
"""
SERVES = """
from shared.failpoints import reached
from shared.runtime.process import run_process

async def main(_stopping):
    reached("run.read")

run_process(main)
"""


@pytest.fixture(autouse=True)
def disarmed() -> Iterator[None]:
    yield
    arm("", None, "")


def process(told: str, marks: Path | None = None) -> subprocess.Popen[str]:
    """A process that passes one place three times and says so before each."""
    arguments = ("-c", PASSES, told, str(marks or ""))
    pipe = subprocess.PIPE
    return subprocess.Popen((sys.executable, *arguments), stdout=pipe, stderr=pipe, text=True)


def passed(told: str, marks: Path | None = None) -> tuple[int, str, str]:
    """How it ended, how often it came to the place, and its last words."""
    ran = process(told, marks)
    out, err = ran.communicate(timeout=30)
    return ran.returncode, "".join(out.split()), err.strip()


def served(told: str) -> tuple[int, str]:
    """How a service's process ended that was told so by its environment, and its last words."""
    environment = {**os.environ, "GALLEY_FAILPOINT": told}
    ran = subprocess.run(
        (sys.executable, "-c", SERVES), env=environment, capture_output=True, text=True, check=False
    )
    return ran.returncode, ran.stderr.strip()


def test_a_process_dies_at_the_nth_passing_and_says_where() -> None:
    words = "galley: failpoint run.read: kill"
    assert passed("run.read@2:kill") == (-signal.SIGKILL, "01", words)


def test_another_place_than_the_armed_one_does_nothing() -> None:
    assert passed("run.acked:kill, call.claimed:stop") == (0, "012", "")


def test_with_markers_a_place_strikes_one_process_of_a_name_until_its_marker_is_taken_away(
    tmp_path: Path,
) -> None:
    assert passed("run.read@3:kill", tmp_path)[0] == -signal.SIGKILL
    marker = tmp_path / "write.run.read@3"
    assert list(tmp_path.iterdir()) == [marker]
    assert passed("run.read@3:kill", tmp_path) == (0, "012", "")
    marker.unlink()
    assert passed("run.read@3:kill", tmp_path)[:2] == (-signal.SIGKILL, "012")


def test_a_stopped_process_goes_on_where_it_was() -> None:
    ran = process("run.read@1:stop")
    _, status = os.waitpid(ran.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    ran.send_signal(signal.SIGCONT)
    assert ran.communicate(timeout=30)[0].split() == ["0", "1", "2"]
    assert ran.returncode == 0


def test_a_service_is_armed_by_its_environment() -> None:
    assert served("run.read:kill") == (-signal.SIGKILL, "galley: failpoint run.read: kill")


def test_a_name_that_is_no_failpoint_refuses_to_start_and_lists_those_there_are() -> None:
    code, words = served("run.raed:kill")
    assert code == 2
    assert all(name in words for name in PLACES)
    assert "raed" not in words


@pytest.mark.parametrize("told", ["run.read", "run.read:die", "run.read@0:kill", "run.read@x:kill"])
def test_what_is_not_written_as_it_should_be_is_refused_with_the_cure(told: str) -> None:
    with pytest.raises(Misconfigured, match=r"<name>\[@nth\]:<kill or stop>"):
        arm(told, None, "write")
