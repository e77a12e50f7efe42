"""`galley up`: what it says, what it refuses, and that it never leaves anything behind."""

from __future__ import annotations

import signal
import socket
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest

from shared.local.environment import SERVICES
from tests.integration.plant.galley import Running, galley, gone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Running]:
    with Running("up", "--instant", cwd=tmp_path) as running:
        running.until("Ctrl-C stops it")
        yield running


def test_it_says_where_it_answers_and_what_is_simulated_and_ends_in_order(tmp_path: Path) -> None:
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "__init__.py").write_text("raise SystemExit('not our code')")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        refused = galley("up", "--port", port, cwd=tmp_path)
    assert refused.returncode == 2
    assert f"port {port} cannot be used" in refused.stderr
    with Running("up", "--port", port, cwd=tmp_path) as running:
        running.until("Ctrl-C stops it")
        assert f"Galley is up at http://127.0.0.1:{port}/\n" in running.said
        assert "SIMULATED: claude, gemini, perplexity" in running.said
        assert "topology.ready" not in running.said
        assert set(SERVICES) < set(running.address.pids)
        family = running.family()
        running.signal()
        assert running.end() == 0
    assert "Draining" in running.said
    assert running.lines[-1] == "Stopped.\n"
    assert gone(family)
    assert not (tmp_path / "galley-data" / "plant.json").exists()


def test_a_killed_plant_leaves_no_process_behind_and_can_be_started_again(up: Running) -> None:
    family = up.family()
    assert len(family) > len(SERVICES)
    up.signal(signal.SIGKILL)
    up.end()
    assert gone(family)
    told = galley("doctor", cwd=up.cwd)
    assert told.returncode == 1
    assert "start it again with `galley up`" in told.stdout
    with Running("up", "--instant", cwd=up.cwd) as again:
        again.until("Galley is up")


def test_the_first_signal_says_whom_it_waits_for_and_the_second_does_not_wait(
    up: Running,
) -> None:
    with Running("post", "Forever [[sim:perplexity:hang]]", "--follow", cwd=up.cwd) as busy:
        busy.until("Asking")
        family = up.family()
        up.signal()
        up.until("waiting for research")
        up.signal()
        assert up.end() == 130
    assert "Stopped at once" in up.said
    assert gone(family)


def test_a_signal_while_it_starts_leaves_nothing_behind(tmp_path: Path) -> None:
    with Running("up", cwd=tmp_path) as starting:
        starting.until("starting research")
        family = starting.family()
        starting.signal(signal.SIGINT)
        assert starting.end() == 130
    assert starting.lines[-1] == "galley: interrupted\n"
    assert gone(family)


def test_a_service_that_cannot_start_is_named_with_its_last_words_and_its_log(
    tmp_path: Path,
) -> None:
    told = galley("up", cwd=tmp_path, GALLEY_GEMINI_TIMEOUT_S="soon")
    assert told.returncode == 1
    assert told.stderr.count("\n") == 1
    assert "images cannot be started: GALLEY_GEMINI_TIMEOUT_S is wrong" in told.stderr
    assert str(tmp_path / "galley-data" / "logs" / "images.log") in told.stderr
    assert "waiting" not in told.stdout
    assert "Draining" not in told.stdout


def test_live_refuses_without_a_key_and_names_it(tmp_path: Path) -> None:
    told = galley("up", "--live", "--simulate", "claude", cwd=tmp_path, GEMINI_API_KEY=" ")
    assert told.returncode == 2
    assert told.stderr == (
        "galley: GEMINI_API_KEY is not set: set it, or simulate it with --simulate gemini\n"
    )
    assert "SIMULATED" not in told.stdout


def test_live_and_simulated_providers_can_be_mixed_and_are_told_apart(tmp_path: Path) -> None:
    mixed = ("--live", "--simulate", "gemini", "--simulate", "perplexity")
    key = "sk-never-shown"
    with Running("up", *mixed, cwd=tmp_path, ANTHROPIC_API_KEY=key) as running:
        running.until("Ctrl-C stops it")
        gateway = running.address.gateway
        assert "SIMULATED: gemini, perplexity." in running.said
        assert "LIVE: claude." in running.said
        assert httpx.get(f"{gateway}/health").json()["simulated"] == ["gemini", "perplexity"]
        assert "SIMULATED: gemini, perplexity" in httpx.get(gateway).text
        told = {name: knows(pid, key) for name, pid in running.address.pids.items()}
    assert {name for name, known in told.items() if known} == {
        "outline",
        "write",
        "edit",
        "images",
        "ready",
    }


def knows(pid: int, secret: str) -> bool:
    return secret in psutil.Process(pid).environ().values()
