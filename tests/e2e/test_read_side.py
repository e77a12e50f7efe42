"""Reads are true with a projector, without one, and while it is far behind."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.e2e.press import SHORT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.press import Press, Row


@contextmanager
def _frozen(press: Press, service: str) -> Iterator[None]:
    """The service stands still, as on a machine that swaps; then it goes on."""
    pid = press.plant.pids()[service]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def _logs(press: Press, post: str, **cursor: int) -> list[Row]:
    answer = await press.http.get(f"/api/posts/{post}/logs", params=cursor)
    entries: list[Row] = answer.raise_for_status().json()["items"]
    return entries


async def test_a_post_reads_the_same_with_and_without_its_rows(press: Press) -> None:
    with _frozen(press, "projector"):
        post = await press.hand_in("Folded Ferns", words=SHORT)
        ended = await press.until(post, "pipeline_complete", "stage_error")
        folded: Row = {**await press.gateway.post(post)}
    projected = await press.read(post, ended.id)
    known = [entry["seq"] for entry in projected["execution_logs"]]
    assert {entry["seq"] for entry in folded.pop("execution_logs")} <= set(known)
    del projected["execution_logs"]
    assert folded == projected
    assert folded["current_stage"] == "complete"


async def test_a_client_that_pages_through_the_log_while_the_projector_is_behind_misses_nothing(
    press: Press,
) -> None:
    with _frozen(press, "projector"):
        post = await press.hand_in("Paged Parsley", words=SHORT)
        ended = await press.until(post, "pipeline_complete", "stage_error")
        early = await _logs(press, post)
    await press.projected(ended.id)
    late = await _logs(press, post, **({"cursor": early[-1]["seq"]} if early else {}))
    assert early + late == (await press.read(post))["execution_logs"]


async def test_an_edit_of_a_reader_never_sees_a_post_older_than_its_own_write(
    press: Press,
) -> None:
    post = await press.hand_in("Fresh Fennel", gates={"research": "review"}, words=SHORT)
    await press.rest(post)
    with _frozen(press, "projector"):
        await press.told(post, "cancel")
        assert (await press.gateway.post(post))["current_stage"] == "cancelled"
