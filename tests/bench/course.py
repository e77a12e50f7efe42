"""The course of a benchmark: which measurement follows which, and what came of it so far."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.bench.aftermath import bare, projector_alone, shape, written
from tests.bench.latency import latencies
from tests.bench.rig import rig
from tests.bench.usage import memory_mb
from tests.bench.waves import wave

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from tests.bench.aftermath import Bare, Shape
    from tests.bench.projector import Projected
    from tests.bench.rig import Rig
    from tests.bench.waves import Wave

WARM_UP = 20
LARGE_WITHIN_S = 20.0
CHAINS = 10
SETTLED_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What to run. Of `large`, `single` and `http`, 0 leaves that part out."""

    posts: int
    large: int
    repeats: int
    single: int
    http: int
    concurrency: int
    at_once: int
    data: Path
    say: Callable[[str], None]

    def rig(self, name: str, *, canned: bool) -> AbstractAsyncContextManager[Rig]:
        """A plant of its own, in a directory of that name."""
        return rig(
            self.data / name,
            canned=canned,
            concurrency=self.concurrency,
            at_once=self.at_once,
            say=self.say,
        )


@dataclass(slots=True, kw_only=True)
class Results:
    """What was measured so far; single posts in seconds, memory in MB."""

    waves: list[Wave] = field(default_factory=list)
    large: Wave | None = None
    single: Mapping[str, float] = field(default_factory=dict)
    memory: Mapping[str, float] = field(default_factory=dict)
    shape: Shape | None = None
    bare: Bare | None = None
    alone: Projected | None = None
    http: Wave | None = None
    http_single: Mapping[str, float] = field(default_factory=dict)

    @property
    def middle(self) -> Wave:
        """The wave of median speed (of an even number, the slower one)."""
        return sorted(self.waves, key=lambda each: each.rate)[(len(self.waves) - 1) // 2]


async def run(course: Course, results: Results) -> None:
    """Measure everything, filling in `results` as it goes."""
    before, after = await _canned(course, results)
    await _aftermath(course, results, before, after)
    if course.http:
        await _over_http(course, results)


async def _canned(course: Course, results: Results) -> tuple[int, int]:
    """Single posts and waves; where the log stood before the first wave, and after it."""
    course.say("starting the eight services, with a provider that answers in the process")
    async with course.rig("canned", canned=True) as made:
        await wave(made, WARM_UP)
        if course.single:
            course.say(f"{course.single} posts, one after the other")
            results.single = await latencies(made, course.single)
            await asyncio.sleep(SETTLED_S)
        before = (await made.rows.counts()).position
        await _waves(course, results, made)
        results.memory = memory_mb(made.pids)
    return before, before + results.waves[0].facts


async def _waves(course: Course, results: Results, made: Rig) -> None:
    for number in range(1, course.repeats + 1):
        course.say(f"{course.posts} posts at once, {number} of {course.repeats}")
        results.waves.append(await wave(made, course.posts))
    if course.large and course.large / results.middle.rate < LARGE_WITHIN_S:
        course.say(f"{course.large} posts at once")
        results.large = await wave(made, course.large)


async def _aftermath(course: Course, results: Results, before: int, after: int) -> None:
    course.say("the same publishes, bare")
    items = await written(course.data / "canned", after)
    crowd = [item for item in items if item.seq > before]
    results.shape = shape(crowd, course.posts)
    chains = list(results.single)[-CHAINS:]
    results.bare = await bare(course.data / "bare", items, crowd, chains, course.posts)
    course.say("the projector alone")
    results.alone = await projector_alone(course.data / "canned")


async def _over_http(course: Course, results: Results) -> None:
    course.say(f"{course.http} posts with the SDKs over HTTP, against the simulator")
    async with course.rig("http", canned=False) as made:
        await wave(made, 2)
        results.http_single = await latencies(made, 5)
        results.http = await wave(made, course.http)
