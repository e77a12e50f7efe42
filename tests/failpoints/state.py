"""A finished post without what differs between two posts that were made alike: ids, sequences,
times and the attempts it took."""

from __future__ import annotations

import json
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shared.domain.events import Recorded
    from tests.e2e.press import Row
    from tests.failpoints.rig import Made

_OF_A_FACT = {"post_id", "at", "command", "duration_s", "profile_id", "digest"}
"""`digest` is that of an output, which names the post in its addresses."""
_SEQUENCES = {"run", "review", "resumes", "rules"}
_OF_A_POST = {
    *("id", "seq", "version", "profile_id", "created_at", "updated_at", "completed_at"),
    *("ledger", "execution_logs", "stage_logs"),
}


def assert_alike(post: Made, other: Made) -> None:
    """Both have come to the same, by the log and by the rows."""
    flows = facts(post.post["id"], post.flow), facts(other.post["id"], other.flow)
    for mine, its in zip_longest(*flows):
        assert mine == its, f"{mine} instead of {its}"
    rows = whole(post.post), whole(other.post)
    assert rows[0] == rows[1], f"{_differing(*rows)} of the row differ"


def _differing(mine: dict[str, Any], its: dict[str, Any]) -> list[str]:
    return [name for name in mine | its if mine.get(name) != its.get(name)]


def facts(post: str, flow: Iterable[Recorded]) -> list[Any]:
    """The flow facts as any such post has them, named sequences told as places in the flow."""
    recorded = list(flow)
    places = {seq: place for place, (seq, _) in enumerate(recorded)}
    return [
        _alike([fact.EVENT, fact.model_dump(mode="json")], post, places) for _, fact in recorded
    ]


def whole(post: Row) -> Any:
    """The post's row as any such post has it."""
    kept = {name: value for name, value in post.items() if name not in _OF_A_POST}
    return _alike(kept, post["id"], {})


def _alike(value: Any, post: str, places: dict[int, int]) -> Any:
    # A sum depends in its last digit on the order in which pictures are finished.
    told = json.dumps(value).replace(post, "the-post")

    def stripped(told: dict[str, Any]) -> dict[str, Any]:
        return {
            name: places.get(each, each) if name in _SEQUENCES and isinstance(each, int) else each
            for name, each in told.items()
            if name not in _OF_A_FACT
        }

    return json.loads(told, object_hook=stripped, parse_float=lambda told: round(float(told), 9))
