"""Every command that changes or reports something, against one plant that is up."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from shared.cli.options import STATE
from shared.local.layout import DEFAULT, Layout
from tests.integration.plant.galley import LOOK_EVERY_S, MAIN, ROOT, Running, environment

if TYPE_CHECKING:
    from tests.integration.plant.galley import Desk

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]

NOBODY = "00000000-0000-4000-8000-000000000000"
KEYLESS = "[[sim:perplexity:401]]"


def told(up: Desk, *arguments: str) -> str:
    """What a command says that succeeds."""
    done = up.run(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(up: Desk, code: int, *arguments: str) -> str:
    """The one sentence of a command that fails."""
    done = up.run(*arguments)
    assert done.returncode == code, done.stdout + done.stderr
    assert done.stderr.startswith("galley: ")
    assert done.stderr.count("\n") == 1
    return done.stderr


def asked(up: Desk, *arguments: str) -> Any:
    """What a command tells a program."""
    return json.loads(told(up, *arguments, "--json"))


def closed(up: Desk, topic: str) -> str:
    """The id of a post that waits for a person at every stage, and does not start."""
    stages = ("research", "outline", "write", "edit", "images", "ready")
    gates = [word for stage in stages for word in ("--gate", f"{stage}=review")]
    return str(asked(up, "post", topic, *gates)["id"])


def test_fields_and_gates_of_a_post_are_edited(up: Desk) -> None:
    post = asked(up, "post", "Edited", "word_count=600", "related_keywords=rye;oats")["id"]
    assert "Done. The post is" in told(up, "edit", post, "tone=Dry", "--gate", "ready=review")
    seen = asked(up, "show", post)
    assert (seen["tone"], seen["word_count"]) == ("Dry", 600)
    assert seen["related_keywords"] == ["rye", "oats"]
    assert seen["stage_settings"]["ready"] == "review"


def test_a_text_of_ones_own_makes_what_follows_stale(up: Desk) -> None:
    done = up.run("post", "Own words", "word_count=300", "--follow").stdout
    post = done.partition("Post ")[2].split()[0]
    (up.cwd / "mine.md").write_text("# Mine\n\nEvery word of it.\n")
    said = told(up, "edit", post, "--output", "write=mine.md")
    assert f"Stale now: edit, images, ready. To make it anew: galley rerun {post} edit" in said
    assert asked(up, "show", post)["draft_content"] == "# Mine\n\nEvery word of it.\n"


def test_what_cannot_be_edited_is_refused_in_words(up: Desk) -> None:
    post = closed(up, "Not so")
    assert "word_count: Input should be a valid integer" in refused(
        up, 1, "edit", post, "word_count=many"
    )
    assert "there is no such post" in refused(up, 1, "edit", NOBODY, "tone=Dry")


def test_a_copy_is_ordered_alike_and_not_started(up: Desk) -> None:
    post = closed(up, "Copied")
    said = told(up, "duplicate", post)
    assert "as copied-copy-" in said
    assert "It is not started. To run it: galley retry" in said
    assert "there is no such post" in refused(up, 1, "duplicate", NOBODY)


def test_a_post_is_deleted_when_nobody_can_be_asked_only_with_yes(up: Desk) -> None:
    post = closed(up, "Deleted")
    assert "nobody can be asked here: say --yes" in refused(up, 2, "delete", post)
    assert "its bill is kept" in told(up, "delete", post, "--yes")
    assert "there is no such post" in refused(up, 1, "show", post)
    assert "there is no such post" in refused(up, 1, "delete", NOBODY, "--yes")


@pytest.mark.parametrize(("typed", "code"), [(b"n\n", 1), (b"\x03", 130), (b"y\n", 0)])
def test_a_person_is_told_what_is_purged_and_asked(up: Desk, typed: bytes, code: int) -> None:
    post = closed(up, "Asked about")
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        (sys.executable, *MAIN, "delete", post),
        cwd=up.cwd,
        env=environment({}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=lambda: os.close(os.open(os.ttyname(theirs), os.O_RDWR)),
    ) as asking:
        os.close(theirs)
        said = b""
        while b"Delete it?" not in said:
            said += os.read(ours, 1024)
        os.write(ours, typed)
        assert asking.wait() == code
    os.close(ours)
    assert b"Its texts, images, execution log and rows are purged, for good" in said
    assert up.run("show", post).returncode == (1 if code == 0 else 0)


def test_a_batch_is_watched_until_every_post_rests(up: Desk) -> None:
    rows = f"topic,word_count,stage_settings\nCats,300,\nKeyless {KEYLESS},300,\n"
    (up.cwd / "rows.csv").write_text(f"{rows}Mice,300,outline=review\n")
    done = up.run("batch", "rows.csv", "--follow", "--key", "cats")
    assert done.returncode == 1, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "3 posts are in the press."
    assert [line.split()[0] for line in lines[1:4]] == ["1/3", "2/3", "3/3"]
    assert {line.split()[1] for line in lines[1:4]} == {"complete", "failed", "review"}
    assert lines[4] == "All of them rest: 1 complete, 1 failed, 1 review."
    again = asked(up, "batch", "rows.csv", "--key", "cats")
    assert {post["id"] for post in again} == {line.split()[2] for line in lines[1:4]}


def test_a_batch_with_wrong_rows_creates_nothing_and_names_each(up: Desk) -> None:
    total = asked(up, "queue")["counts"]["total"]
    (up.cwd / "wrong.csv").write_text("topic,word_count\nFine,300\nShort,3\n,300\n")
    done = up.run("batch", "wrong.csv")
    assert done.returncode == 1
    assert "Nothing was created" in done.stderr
    rows = [line.split()[:2] for line in done.stderr.splitlines()]
    assert ["2", "word_count"] in rows
    assert ["3", "topic"] in rows
    assert done.stderr.endswith("galley: 2 of the rows are not valid\n")
    assert asked(up, "queue")["counts"]["total"] == total
    (up.cwd / "no.csv").write_text("tpic\nx\n")
    assert "column 1 of the first row names no field" in refused(up, 1, "batch", "no.csv")


def test_the_queue_shows_who_waits_for_whom(up: Desk) -> None:
    failed = up.run("post", f"Stuck {KEYLESS}", "--follow").stdout
    waits = up.run("post", "Read me", "--gate", "research=review", "--follow").stdout
    dead, review = (said.partition("Post ")[2].split()[0] for said in (failed, waits))
    said = told(up, "queue")
    assert f"{review}  research  review" in said
    assert f"{dead}  research" in said
    assert "projector  yes" in said
    seen = asked(up, "queue")
    counts = seen["counts"]
    assert sum(counts.values()) - counts["seq"] - counts["total"] == counts["total"]
    assert review in [post["id"] for post in seen["reviews"]]


def test_a_dead_letter_is_tried_again_or_given_up(up: Desk) -> None:
    said = up.run("post", f"Given up {KEYLESS}", "--follow").stdout
    post = said.partition("Post ")[2].split()[0]
    assert post in [each["post_id"] for each in asked(up, "dead", "list")]
    assert told(up, "dead", "retry", post).startswith("Done. The post is ")
    while up.run("dead", "discard", post, "--note", "no key").returncode == STATE:
        time.sleep(LOOK_EVERY_S)  # it has not failed again yet
    assert post not in [each["post_id"] for each in asked(up, "dead", "list")]


def test_the_dead_letter_is_cleared(up: Desk) -> None:
    post = up.run("post", f"All given up {KEYLESS}", "--follow").stdout.partition("Post ")[2]
    assert post.split()[0] in [each["post_id"] for each in asked(up, "dead", "list")]
    assert told(up, "dead", "clear", "--yes").startswith("Given up: ")
    assert asked(up, "dead", "list") == []


def test_what_the_state_does_not_allow_is_told_with_the_state(up: Desk) -> None:
    post = closed(up, "Not dead")
    said = refused(up, 3, "dead", "discard", post)
    assert said == "galley: this post is not in the dead letter (the post is pending)\n"
    assert "(the post is pending)" in refused(up, 3, "pause", post)
    assert "waits for no decision" in refused(up, 3, "approve", post, "write")


def test_a_profile_is_made_used_changed_and_deleted_by_its_name(up: Desk) -> None:
    assert "Made; new posts take it" in told(
        up, "profiles", "set", "My site", "tone=Exact", "--gate", "edit=review"
    )
    assert "Changed; new posts take it" in told(up, "profiles", "set", "my SITE", "niche=bread")
    assert asked(up, "profiles", "show", "My site")["tone"] == "Exact"
    post = asked(up, "post", "By profile", "--profile", "My site")
    assert (post["tone"], post["stage_settings"]["edit"]) == ("Exact", "review")
    assert told(up, "profiles", "list").splitlines()[2].split()[1:3] == ["My", "site"]
    assert "its posts stay" in told(up, "profiles", "delete", "My site", "--yes")
    assert "no profile is named 'My site'" in refused(up, 1, "profiles", "show", "My site")
    assert "no profile is named" in refused(up, 1, "post", "x", "--profile", "My site")


def test_a_setting_is_changed_part_by_part(up: Desk) -> None:
    told(up, "settings", "set", "concurrency.write=2", "stage_settings.ready=review")
    changed = told(up, "settings", "set", "concurrency.edit=3").splitlines()
    assert sorted(changed) == ["concurrency.edit=3", "concurrency.write=2"]
    shown = told(up, "settings", "show")
    assert "stage_settings.ready=review\n" in shown
    assert "What each stage calls" in shown
    told(up, "settings", "set", "stage_settings=", "concurrency=")
    assert "concurrency=\n" in told(up, "settings", "show")
    assert "concurrency.write: Input should be" in refused(
        up, 1, "settings", "set", "concurrency.write=0"
    )


def test_rules_go_out_into_a_file_and_back(up: Desk) -> None:
    shipped = told(up, "rules", "show", "outline")
    (up.cwd / "outline.md").write_text(f"{shipped}\nNever shout.\n")
    assert "In force for outline" in told(up, "rules", "set", "outline", "outline.md")
    assert told(up, "rules", "show", "outline") == f"{shipped}\nNever shout.\n"
    assert "+Never shout.\n" in told(up, "rules", "diff", "outline")
    (edited,) = asked(up, "rules", "history", "outline")
    told(up, "rules", "restore", "outline", "shipped")
    assert told(up, "rules", "show", "outline") == shipped
    told(up, "rules", "restore", "outline", str(edited["version"]))
    assert told(up, "rules", "show", "outline").endswith("Never shout.\n")
    assert "have no such version" in refused(up, 1, "rules", "restore", "outline", "999999")
    lines = told(up, "rules", "list").splitlines()
    assert ["outline", "edited"] in [line.split()[:2] for line in lines]
    told(up, "rules", "restore", "outline", "shipped")


def test_what_was_paid_adds_up(up: Desk) -> None:
    up.run("post", "Paid", "word_count=300", "--follow")
    found = asked(up, "costs", "--by", "model")
    total = sum(group["settled_usd"] for group in found["groups"])
    assert total == pytest.approx(found["total"]["settled_usd"])
    assert total > 0
    assert told(up, "costs", "--by", "day").splitlines()[-1].endswith(" a post.")


def test_a_reader_that_leaves_is_no_traceback(up: Desk) -> None:
    command = [sys.executable, *MAIN, "rules", "show", "write"]
    with subprocess.Popen(
        command, cwd=up.cwd, env=environment({}), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as showing:
        assert showing.stdout is not None
        assert showing.stderr is not None
        showing.stdout.close()
        said = showing.stderr.read()
    assert said == b""


@pytest.mark.parametrize(
    ("command", "seen", "word"),
    [
        (("queue", "--watch"), "gateway", "galley: watching ended\n"),
        (
            ("post", "Watched [[sim:perplexity:hang]]", "--follow"),
            "Research started",
            "galley: watching ended; what is in the press goes on\n",
        ),
    ],
)
def test_watching_ends_with_ctrl_c_and_a_word(
    up: Desk, command: tuple[str, ...], seen: str, word: str
) -> None:
    with Running(*command, cwd=up.cwd) as watching:
        watching.until(seen)
        watching.signal(signal.SIGINT)
        assert watching.end() == 130
    assert watching.lines[-1] == word
    assert "Traceback" not in watching.said


def test_the_example_of_the_client_keeps_its_article(up: Desk) -> None:
    page = (ROOT / "docs/client.md").read_text(encoding="utf-8")
    (up.cwd / "example.py").write_text(page.partition("```python\n")[2].partition("```")[0])
    done = subprocess.run(
        (sys.executable, "example.py", up.plant.address.gateway),
        cwd=up.cwd,
        env=environment({"GALLEY_API_KEY": Layout(up.cwd / DEFAULT).first_key()}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert " stage_review Outline is ready and waits for a person" in done.stdout
    assert done.stdout.splitlines()[-1].endswith("All six stages are complete")
    names = zipfile.ZipFile(up.cwd / "cat.zip").namelist()
    assert any(name.endswith(".md") for name in names)
