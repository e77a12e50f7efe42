"""Rules of a post, read aloud: given what happened, when somebody asks, then this follows.

Facts are written in the past tense, commands in the imperative. A `run` or `review` of 0 stands for
the newest one of that stage in the story so far, so that a test names no sequence numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from shared.domain import events as e
from shared.domain.decide import decide
from shared.domain.evolve import fold
from shared.domain.values import ORDER, Metrics, PostConfig, Stage
from shared.errors import GalleyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shared.domain.commands import AnyCommand
    from shared.domain.events import AnyFlow, PostEvent, Recorded
    from shared.domain.post import Post

POST = UUID("6a1e7000-0000-4000-8000-000000000001")
OTHER = UUID("6a1e7000-0000-4000-8000-000000000002")
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
CONFIG = PostConfig(topic="How to train a puppy", slug="how-to-train-a-puppy")
METRICS = Metrics(model="a-model", tokens_in=10, tokens_out=20, duration_s=1.5, cost_usd=0.25)


# --- the sentence -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Given:
    """What happened so far."""

    history: tuple[Recorded, ...] = ()

    @property
    def post(self) -> Post:
        return fold(self.history)

    @property
    def facts(self) -> list[PostEvent]:
        return [fact for _, fact in self.history]

    def and_then(self, *facts: PostEvent) -> Given:
        """These happened as well."""
        return Given(numbered(facts, self.history))

    def when(self, command: AnyCommand, at: datetime = NOW) -> When:
        """Somebody asks for this."""
        meant = _resolved(command, self.history)
        try:
            return When(self, tuple(decide(self.post, meant, at)))
        except GalleyError as refusal:
            return When(self, (), refusal)


@dataclass(frozen=True)
class When:
    """What was decided, not yet judged."""

    before: Given
    decided: tuple[AnyFlow, ...]
    refusal: GalleyError | None = None

    def then(self, *facts: PostEvent) -> Given:
        """Exactly these facts follow; the story goes on from there."""
        wanted = self.before.and_then(*facts)
        after, known = self.then_something(), len(self.before.history)
        if after != wanted:
            decided, hoped = _briefly(after.facts[known:]), _briefly(wanted.facts[known:])
            raise AssertionError(f"\ndecided:{decided}\nwanted:{hoped}")
        return after

    def then_something(self) -> Given:
        """It is not refused; the story goes on."""
        if self.refusal is not None:
            raise AssertionError(f"refused: {self.refusal!r}") from self.refusal
        return self.before.and_then(*self.decided)

    def then_nothing(self) -> Given:
        """It is answered without a single fact."""
        return self.then()

    def then_refused[E: GalleyError](self, error: type[E], saying: str = "") -> E:
        """It is refused, with exactly this kind of error."""
        if self.refusal is None:
            raise AssertionError(f"not refused, but decided {self.decided}")
        if type(self.refusal) is not error:
            raise AssertionError(f"refused otherwise: {self.refusal!r}") from self.refusal
        if saying not in str(self.refusal):
            raise AssertionError(f"refused in other words: {self.refusal}")
        return self.refusal


def given(*facts: PostEvent) -> Given:
    """These facts happened, at sequences 1, 2, 3..."""
    return Given(numbered(facts))


def after(*asked: AnyCommand) -> Given:
    """Whatever these commands led to, one after the other."""
    story = Given()
    for command in asked:
        story = story.when(command).then_something()
    return story


def numbered(facts: Iterable[PostEvent], before: tuple[Recorded, ...] = ()) -> tuple[Recorded, ...]:
    """The history with these facts behind it, at the sequences that follow."""
    history = list(before)
    for fact in facts:
        seq = history[-1].seq + 1 if history else 1
        history.append(e.Recorded(seq, _resolved(fact, history)))
    return tuple(history)


def run_of(stage: Stage, history: Sequence[Recorded]) -> int:
    """The sequence of the stage's newest request; 0 when it was never requested."""
    wanted = (s for s, f in history if isinstance(f, e.StageRequested) and f.stage is stage)
    return max(wanted, default=0)


def review_of(history: Sequence[Recorded]) -> int:
    """The sequence of the newest review; 0 when there was none."""
    return max((seq for seq, fact in history if isinstance(fact, e.ReviewRequested)), default=0)


def _resolved[T: (PostEvent, AnyCommand)](said: T, history: Sequence[Recorded]) -> T:
    named: dict[str, int] = {}
    if getattr(said, "run", None) == 0:
        newest = max((run_of(stage, history) for stage in ORDER), default=0)
        named["run"] = run_of(said.stage, history) if hasattr(said, "stage") else newest
    if getattr(said, "review", None) == 0:
        named["review"] = review_of(history)
    if not named:
        return said
    if isinstance(said, e.Fact):
        return said.model_copy(update=named)
    return replace(said, **named)  # type: ignore[arg-type]  # both were asked for


def _briefly(facts: Sequence[PostEvent]) -> str:
    told = (fact.model_dump(exclude={"post_id"}, exclude_defaults=True) for fact in facts)
    return "".join(f"\n  {type(f).__name__} {said}" for f, said in zip(facts, told, strict=True))
