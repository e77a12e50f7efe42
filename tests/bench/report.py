"""The results for people, as one table with met or not met beside every target, and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from rich.table import Table

from shared.local.environment import SERVICES
from tests.bench.latency import percentile
from tests.bench.usage import GROUPS, LOAD

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.bench.course import Course, Results
    from tests.bench.waves import Wave

type Sense = Literal["at least", "at most"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One figure; `bound` None is no target, `told` is what else there is to say."""

    name: str
    value: float
    unit: str
    bound: float | None = None
    sense: Sense = "at least"
    told: str = ""

    @property
    def met(self) -> bool | None:
        if self.bound is None:
            return None
        return self.value >= self.bound if self.sense == "at least" else self.value <= self.bound

    @property
    def target(self) -> str:
        return "" if self.bound is None else f"{self.sense} {_number(self.bound)}"

    @property
    def verdict(self) -> str:
        return {None: "", True: "met", False: "not met"}[self.met]


def lines(results: Results) -> list[Line]:
    """Every figure there is; what was not measured has no line."""
    return [
        *(_waves(results) if results.waves else ()),
        *_single(results),
        *_beside(results),
        *_memory(results),
        *_http(results),
    ]


def _waves(results: Results) -> Iterator[Line]:
    middle = results.middle
    runs = ", ".join(f"{each.rate:.0f}" for each in results.waves)
    yield Line(
        name=f"{middle.posts} pipelines at once, all projected",
        value=middle.rate,
        unit="/s",
        bound=100,
        told=f"median of {runs}; {middle.others_share:.0%} of the CPU used was others'",
    )
    told = f"{middle.creating:.1f} of {middle.lasted:.1f} s"
    yield Line(name="  created over HTTP", value=middle.creation_rate, unit="/s", told=told)
    if (rate := middle.rate_after_creation) is not None:
        yield Line(name="  from the last creation on", value=rate, unit="/s")
    if results.large:
        name = f"{results.large.posts} pipelines at once"
        yield Line(name=name, value=results.large.rate, unit="/s")
    yield Line(name="facts per post", value=middle.facts_per_post, unit="", told=_shape(results))
    yield from _cpu(middle, bound=15)


def _shape(results: Results) -> str:
    if results.shape is None:
        return ""
    return f"{results.shape.bytes / 1000:.0f} KB in {results.shape.flights:.1f} flights"


def _cpu(wave: Wave, bound: float | None = None) -> Iterator[Line]:
    yield Line(
        name="CPU per pipeline", value=wave.services_cpu_ms, unit="ms", bound=bound, sense="at most"
    )
    for group in (*GROUPS, "simulator"):
        if group in wave.cpu_ms:
            yield Line(name=f"  {group}", value=wave.cpu_ms[group], unit="ms")
    told = f"not counted above; {wave.load_share:.0%} of all"
    yield Line(name=f"  {LOAD}", value=wave.cpu_ms[LOAD], unit="ms", told=told)


def _single(results: Results) -> Iterator[Line]:
    if not results.single:
        return
    took = results.single.values()
    name = "one pipeline alone, p50"
    value = 1000 * percentile(took, 50)
    yield Line(name=name, value=value, unit="ms", bound=120, sense="at most")
    yield Line(name="one pipeline alone, p99", value=1000 * percentile(took, 99), unit="ms")


def _beside(results: Results) -> Iterator[Line]:
    if results.bare:
        cpu = results.bare.cpu
        told = (
            f"the same flights, bare; CPU {1000 * cpu[LOAD]:.1f} ms client, "
            f"{1000 * cpu['nats-server']:.1f} ms nats-server"
        )
        yield Line(name="raw limit", value=results.bare.rate, unit="/s", told=told)
        yield Line(name="raw limit, one alone", value=1000 * results.bare.single, unit="ms")
    if results.alone:
        used = results.alone.cpu_us
        told = ", ".join(f"{used[name]:.0f} us {name}" for name in GROUPS if name in used)
        name = "projector alone, events"
        yield Line(name=name, value=results.alone.rate, unit="/s", bound=8000, told=told)


def _memory(results: Results) -> Iterator[Line]:
    services = {name: used for name, used in results.memory.items() if name in SERVICES}
    if not services:
        return
    told = ", ".join(f"{name} {used:.0f}" for name, used in results.memory.items())
    yield Line(
        name="memory of the largest service",
        value=max(services.values()),
        unit="MB",
        bound=120,
        sense="at most",
        told=told,
    )


def _http(results: Results) -> Iterator[Line]:
    if results.http is None:
        return
    name = f"over HTTP with the SDKs, {results.http.posts} at once"
    yield Line(name=name, value=results.http.rate, unit="/s")
    took = percentile(results.http_single.values(), 50)
    yield Line(name="  one alone, p50", value=1000 * took, unit="ms")
    yield from _cpu(results.http)


def table(results: Results) -> Table:
    made = Table(title="Galley bench", title_justify="left")
    made.add_column("what")
    made.add_column("measured", justify="right", no_wrap=True)
    made.add_column("target", no_wrap=True)
    made.add_column("")
    made.add_column("")
    for line in lines(results):
        colour = {None: "", True: "green", False: "red"}[line.met]
        value = f"{_number(line.value)} {line.unit}".strip()
        made.add_row(
            line.name,
            value,
            line.target,
            f"[{colour}]{line.verdict}[/]" if colour else "",
            line.told,
        )
    return made


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}"


def as_json(course: Course, results: Results) -> Mapping[str, Any]:
    """Everything, with how it was measured."""
    asked = {
        name: getattr(course, name)
        for name in ("posts", "large", "repeats", "single", "http", "concurrency", "at_once")
    }
    told = [{**asdict(line), "met": line.met} for line in lines(results)]
    return {"asked": asked, "figures": told, "results": asdict(results)}
