"""Which fault a call suffers: asked for by a marker in the prompt or by a rule, n times or always.

A marker reads `[[sim:<aim>:<fault>[:argument][*n]]]`, where aim is a provider or `manifest` (the
Claude call that asks for JSON of a schema, except the one of the ready stage). A marker counts over
(provider, fault, marker, topic line); a rule counts over (rule, provider, model).
"""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator

    from shared.domain.values import Provider
    from shared.simulator.brief import Question

type Aim = Literal["perplexity", "claude", "gemini", "manifest"]

ANYWHERE = frozenset(
    [
        "html_502",
        "html_body",
        "empty",
        "half_json",
        "delay",
        "hang",
        "drip",
        "stall",
        "reset",
        "reset_mid",
        "cut_mid",
        "end_mid",
        "err_event",
        "bad_frame",
        "huge",
        "max_tokens",
    ]
)
OF_CLAUDE = ANYWHERE | {"invalid_json", "refusal", "pause_turn", "html"}
KNOWN: dict[str, frozenset[str]] = {
    "claude": OF_CLAUDE,
    "manifest": OF_CLAUDE,
    "perplexity": ANYWHERE | {"refusal", "html", "failed", "no_sources"},
    "gemini": ANYWHERE
    | {
        "prompt_block",
        "safety_block",
        "no_image",
        "bad_image",
        "not_image",
        "bomb",
        "continuation",
    },
}

_SECONDS = frozenset({"delay", "hang", "drip", "stall"})
_SPEC = re.compile(r"([a-z0-9_]+)(?::([^*]*))?(?:\*([0-9]{1,9}))?")


class BadFault(ValueError):
    """What was written names no fault the simulator knows."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault with its argument; `times` is how often it strikes (None: always)."""

    name: str
    arg: str = ""
    times: int | None = None

    @property
    def status(self) -> int | None:
        """The HTTP status, when the fault is one."""
        return int(self.name) if self.name.isdigit() else None

    def number(self, default: float) -> float:
        """The argument as seconds."""
        return float(self.arg) if self.arg else default


def parse(aim: str, spec: str) -> Fault:
    """Read `fault[:argument][*n]`; raises BadFault when `aim` knows no such fault."""
    match = _SPEC.fullmatch(spec.strip())
    if aim not in KNOWN or match is None:
        raise BadFault(f"no fault is written {aim}:{spec}"[:200])
    name, arg, times = match[1], match[2] or "", match[3]
    fault = Fault(name, arg, None if times is None else int(times))
    _check(aim, fault)
    return fault


def _check(aim: str, fault: Fault) -> None:
    if fault.status is None and fault.name not in KNOWN[aim]:
        raise BadFault(f"{aim} knows no fault {fault.name!r}"[:200])
    if fault.status is not None and not 400 <= fault.status <= 599:
        raise BadFault(f"{fault.name} is no error status"[:200])
    if fault.name in _SECONDS and fault.arg and not re.fullmatch(r"\d{1,5}(\.\d{1,6})?", fault.arg):
        raise BadFault(f"{fault.name} takes seconds, not {fault.arg!r}"[:200])
    if fault.name == "huge" and fault.arg and not re.fullmatch(r"\d{1,9}", fault.arg):
        raise BadFault(f"huge takes a number of bytes, not {fault.arg!r}"[:200])


class Rule(BaseModel):
    """A fault for every call of a provider (and model, and prompt containing `match`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    provider: Aim
    fault: str
    model: str | None = None
    match: str = ""

    @field_validator("fault")
    @classmethod
    def _known(cls, spec: str, info: ValidationInfo) -> str:
        if "provider" in info.data:
            parse(info.data["provider"], spec)
        return spec

    def applies(self, question: Question) -> bool:
        return (
            aimed(self.provider, question)
            and self.model in (None, question.model)
            and self.match in question.told
        )


def aimed(aim: str, question: Question) -> bool:
    """Whether a fault aimed there is meant for this call."""
    return question.is_manifest if aim == "manifest" else aim == question.provider


class Faults:
    """The rules in force, how often each counted fault has struck, and the pictures' markers.

    A picture's prompt is written by the simulated Claude, which never repeats a marker. So a marker
    for Gemini is remembered with its topic and strikes the pictures whose prompt names that topic.
    """

    def __init__(self, topics_kept: int = 1_000) -> None:
        self._rules: dict[int, Rule] = {}
        self._added = 0
        self._struck: Counter[Hashable] = Counter()
        self._pictured: OrderedDict[str, tuple[str, tuple[str, ...]]] = OrderedDict()
        self._topics_kept = topics_kept

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules in force, in the order they are tried."""
        return tuple(self._rules.values())

    def add(self, rule: Rule) -> None:
        """Put a rule behind the others."""
        self._added += 1
        self._rules[self._added] = rule

    def drop_rules(self) -> None:
        self._rules.clear()

    def clear(self) -> None:
        """Forget the rules, the counts and the remembered markers."""
        self._rules.clear()
        self._struck.clear()
        self._pictured.clear()

    def choose(self, question: Question) -> Fault | None:
        """The fault of this call, counted as having struck; None for a good answer."""
        self._remember(question)
        for key, fault in self._candidates(question):
            if fault.times is None:
                return fault
            if self._struck[key] < fault.times:
                self._struck[key] += 1
                return fault
        return None

    def _candidates(self, question: Question) -> Iterator[tuple[Hashable, Fault]]:
        topic, found = self._marked(question)
        for marker in found:
            aim, _, spec = marker.partition(":")
            fault = parse(aim, spec)
            if aimed(aim, question):
                yield (question.provider, fault.name, marker, topic), fault
        for number, rule in tuple(self._rules.items()):
            if rule.applies(question):
                counted = (number, question.provider, question.model)
                yield counted, parse(rule.provider, rule.fault)

    def _marked(self, question: Question) -> tuple[str, tuple[str, ...]]:
        if question.markers or question.provider != "gemini":
            return question.topic_line, question.markers
        named = [topic for topic in self._pictured if topic in question.prompt]
        return self._pictured[max(named, key=len)] if named else (question.topic_line, ())

    def _remember(self, question: Question) -> None:
        provider: Provider = question.provider
        wanted = tuple(m for m in question.markers if m.startswith("gemini:"))
        if provider == "gemini" or not wanted:
            return
        self._pictured[question.brief.topic] = (question.topic_line, wanted)
        self._pictured.move_to_end(question.brief.topic)
        while len(self._pictured) > self._topics_kept:
            self._pictured.popitem(last=False)
