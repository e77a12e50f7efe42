"""Where each fact stands in the log: fact to subject, subject to place, and whether the two
agree."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

from shared.domain.events import CallFact, FlowFact, NoticeFact, Progressed, StageFact, StageStarted
from shared.errors import Malformed

if TYPE_CHECKING:
    from shared.domain.events import Fact
    from shared.domain.values import Stage

MAIN = "main"
"""The tenant every post belongs to until there are others."""

CALL_KEY = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_DELIVERY = "delivery"


class PostRef(NamedTuple):
    """A post's address: tenant and id."""

    tenant: str
    id: UUID

    @property
    def prefix(self) -> str:
        return _prefix(self)

    @property
    def flow(self) -> str:
        """Filter over the post's control history."""
        return f"{self.prefix}.flow.>"

    @property
    def journal(self) -> str:
        """Filter over the post's whole call journal."""
        return f"{self.prefix}.call.>"

    def calls(self, stage: Stage, run: int) -> str:
        """Filter over the call journal of one run."""
        return f"{self.prefix}.call.{stage}.{run}.>"


@lru_cache(maxsize=10_000)
def _prefix(post: PostRef) -> str:
    """Kept, because each of a post's facts has to spell its id, several times over."""
    return f"posts.{post.tenant}.{post.id}"


@lru_cache(maxsize=10_000)
def _post(tenant: str, spelled: str) -> PostRef:
    return PostRef(tenant, UUID(spelled))


def slug_subject(tenant: str, profile: UUID | None, slug: str) -> str:
    """Where it stands who owns a slug; each profile has slugs of its own."""
    return f"slugs.{tenant}.{profile or 'none'}.{slug}"


class Place(NamedTuple):
    """A subject, taken apart. `number` is a flow fact's n, a call's or notice's attempt or a
    delivery's k; the `run` of a notice is the sequence of the fact it tells."""

    post: PostRef
    branch: str
    stage: str
    event: str
    number: int = 0
    run: int = 0
    key: str = ""


def subject_of(post: PostRef, fact: Fact, n: int = 0) -> str:
    """The subject of a fact; `n` is the number of a flow fact within its post."""
    if isinstance(fact, FlowFact):
        stage = fact.stage if isinstance(fact, StageFact) else "post"
        return f"{post.prefix}.flow.{stage}.{fact.EVENT}.{n}"
    if isinstance(fact, CallFact):
        return _call(post, fact)
    if isinstance(fact, StageStarted):
        return f"{post.prefix}.call.{fact.stage}.{fact.run}.{_DELIVERY}.{fact.delivery}.started"
    if isinstance(fact, NoticeFact):
        return f"{post.prefix}.notice.{fact.told}.{fact.attempt}.{fact.EVENT}"
    if isinstance(fact, Progressed):
        return f"{post.prefix}.log.{fact.stage}.{fact.level}"
    raise Malformed(f"{type(fact).__name__} has no place in the log")


def _call(post: PostRef, fact: CallFact) -> str:
    if fact.key == _DELIVERY or not CALL_KEY.fullmatch(fact.key):
        raise Malformed(f"{fact.key!r} cannot name a call")
    return f"{post.prefix}.call.{fact.stage}.{fact.run}.{fact.key}.{fact.attempt}.{fact.EVENT}"


def place_of(subject: str) -> Place:
    """Take a subject apart. Raises `Malformed` when no fact of ours can stand there."""
    words = subject.split(".")
    try:
        post = _post(words[1], words[2])
        match words[0], words[3:]:
            case "posts", ["flow", stage, event, n]:
                return Place(post, "flow", stage, event, _count(n))
            case "posts", ["call", stage, run, key, number, event]:
                return Place(post, "call", stage, event, _count(number), _count(run), key)
            case "posts", ["notice", told, attempt, event]:
                return Place(post, "notice", "", event, _count(attempt), _count(told))
            case "posts", ["log", stage, level]:
                return Place(post, "log", stage, level)
            case _:
                raise Malformed(f"no fact of ours stands at {subject[:200]}")
    except (IndexError, ValueError) as error:
        raise Malformed(f"no fact of ours stands at {subject[:200]}") from error


def _count(word: str) -> int:
    """A number as we write it: ASCII digits and nothing else."""
    if not (word.isascii() and word.isdigit()):
        raise ValueError("not a count")
    return int(word)


def check_place(fact: Fact, place: Place, subject: str) -> None:
    """Raise `Malformed` unless the fact says of itself what its subject says of it."""
    if fact.post_id != place.post.id or subject_of(place.post, fact, place.number) != subject:
        raise Malformed(f"a {type(fact).__name__} that belongs elsewhere stands at {subject[:200]}")
