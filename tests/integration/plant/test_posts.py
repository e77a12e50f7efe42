"""The commands about posts, against one plant that is up: what they say, and how they end."""

from __future__ import annotations

import os
import signal
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.integration.plant.galley import Running, galley, settled

if TYPE_CHECKING:
    from tests.integration.plant.galley import Desk

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]
NOBODY = "00000000-0000-4000-8000-000000000000"


def id_in(said: str) -> str:
    return said.partition("Post ")[2].split()[0]


def test_a_second_plant_on_the_same_data_says_where_the_first_answers(up: Desk) -> None:
    for command in ("up", "demo"):
        second = galley(command, cwd=up.cwd)
        assert second.returncode == 2
        assert second.stderr.startswith("galley: Galley is already up on ")
        assert f"at {up.plant.address.gateway}/ (process {up.plant.pid})" in second.stderr
        assert second.stderr.count("\n") == 1


def test_a_followed_post_is_told_line_by_line_and_summed_up(up: Desk) -> None:
    told = galley("post", "How to [red]train[/red] a\n puppy", "--follow", cwd=up.cwd)
    assert told.returncode == 0, told.stderr
    assert "research Research started\n" in told.stdout
    assert "post     All six stages are complete\n" in told.stdout
    assert "6 of 6 images." in told.stdout
    identity = id_in(told.stdout)
    shown = galley("show", identity, cwd=up.cwd)
    assert shown.stdout.startswith("How to [red]train[/red] a puppy\n")
    paid = next(line for line in shown.stdout.splitlines() if line.startswith("Paid $"))
    assert paid in told.stdout
    assert paid.removeprefix("Paid $").removesuffix(".") in shown.stdout.partition("Paid")[0]


def test_the_log_can_be_read_and_filtered_and_the_article_taken_away(up: Desk) -> None:
    told = up.run("post", "Sourdough", "--follow")
    identity = id_in(told.stdout)
    lines = up.run("logs", identity, "--stage", "images").stdout.splitlines()
    assert len(lines) > 8
    assert {line.split()[1] for line in lines} == {"images"}
    assert up.run("logs", identity, "--level", "error").stdout == ""
    assert up.run("export", identity, "--to", "kept.zip").returncode == 0
    names = zipfile.ZipFile(up.cwd / "kept.zip").namelist()
    assert {name.rpartition(".")[2] for name in names} == {
        "md",
        "html",
        "webp",
        "json",
        "jsonl",
    }


def test_a_review_says_what_to_do(up: Desk) -> None:
    told = up.run("post", "Gated", "--gate", "outline=review", "--follow")
    assert told.returncode == 0
    assert "outline  Outline is ready and waits for a person (review)\n" in told.stdout
    assert "To approve it: galley approve " in told.stdout


def test_posts_are_listed_with_where_they_stand(up: Desk) -> None:
    identity = id_in(up.run("post", "A listed topic", "--follow").stdout)
    told = up.run("list", "--search", "listed topic").stdout.splitlines()
    assert told == [f"{identity}  complete  A listed topic", "1 of 1 posts"]
    assert "status: Input should be" in up.run("list", "--status", "lost").stderr


def test_a_decision_names_the_stage_that_was_looked_at(up: Desk) -> None:
    gates = ("--gate", "outline=review", "--gate", "write=review")
    identity = id_in(up.run("post", "Decided", *gates, "--follow").stdout)
    (up.cwd / "mine.md").write_text("# My own plan\n\n## One\n\nFirst this, then that.\n")
    wrong = up.run("approve", identity, "write")
    assert (wrong.returncode, wrong.stderr) == (
        3,
        "galley: write waits for no decision, but outline does\n",
    )
    accepted = up.run("approve", identity, "outline", "--edited", "mine.md")
    assert (accepted.returncode, accepted.stdout.splitlines()[0]) == (
        0,
        "Done. The post is at write.",
    )
    again = up.run("approve", identity, "outline")
    assert again.returncode == 3
    assert "outline waits for no decision" in again.stderr


def test_a_post_is_cancelled_and_taken_up_again(up: Desk) -> None:
    identity = id_in(up.run("post", "Stop and go", "--gate", "edit=review").stdout)
    stopped = up.run("cancel", identity)
    assert "To take it up again: galley retry" in stopped.stdout
    assert up.run("retry", identity).returncode == 0
    assert up.run("pause", NOBODY).stderr == "galley: there is no such post\n"


def test_a_failed_stage_ends_with_one_and_says_what_to_do(up: Desk) -> None:
    told = up.run("post", "No key [[sim:perplexity:401]]", "--follow")
    assert told.returncode == 1
    assert "research failed (" in told.stdout
    assert "Once the cause is gone: galley retry " in told.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("post", "x" * 501), 1, "topic: String should have at most 500 characters"),
        (("post", "x\x1b[31m"), 1, "topic: must not contain control characters"),
        (("post", "x", "--words", "3"), 1, "word_count: Input should be greater"),
        (("show", "nonsense"), 1, "post_id: Input should be a valid UUID"),
        (("show", NOBODY), 1, "there is no such post"),
        (("logs", NOBODY, "--level", "loud"), 1, "level.0: Input should be 'info'"),
        (("export", NOBODY), 1, "there is no such post"),
    ],
)
def test_what_the_gateway_refuses_is_one_sentence(
    up: Desk, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    told = up.run(*arguments, "--url", up.plant.address.gateway)
    assert told.returncode == code
    assert told.stderr.startswith("galley: ")
    assert sentence in told.stderr
    assert told.stderr.count("\n") == 1


def test_a_place_that_cannot_be_written_is_named(up: Desk) -> None:
    told = up.run("post", "Unwritable", "--follow")
    refused = up.run("export", id_in(told.stdout), "--to", "/proc/a.zip")
    assert refused.returncode == 2
    assert "/proc/a.zip cannot be written" in refused.stderr


def test_following_survives_a_gateway_that_is_killed(up: Desk) -> None:
    before = up.plant.address.pids
    with Running("post", "Robust [[sim:claude:529*2]]", "--follow", cwd=up.cwd) as follower:
        follower.until("claude failed")
        os.kill(before["gateway"], signal.SIGKILL)
        assert "started again" in up.plant.until("gateway ended by itself (was killed by signal 9")
        assert follower.end() == 0
    lines = [line for line in follower.lines if line.startswith("research Research started")]
    assert len(lines) == 1
    assert "All six stages are complete" in follower.said
    assert settled(up.plant, before, {"gateway"})["gateway"] != before["gateway"]


def test_the_doctor_finds_nothing_wrong_with_a_plant_that_works(up: Desk) -> None:
    told = up.run("doctor")
    assert told.returncode == 0, told.stdout
    assert "gateway is ready" in told.stdout
    assert told.stdout.endswith("Nothing is wrong.\n")
