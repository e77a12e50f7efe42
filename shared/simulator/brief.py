"""What a prompt asks for: the task, the topic, the length, and the inputs between their markers.

A prompt carries lines such as `Task: write`, `Topic: ...`, `Word count: 1200`, and inputs between
a line `<<<NAME` and a line `NAME>>>`. What stands inside an input is never a line of the brief.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from shared.simulator.markers import markers, without_markers

if TYPE_CHECKING:
    from shared.domain.values import Provider

TASKS = ("research", "outline", "write", "edit", "images", "ready")
DEFAULT_WORDS = 1_200
MOST_WORDS = 4_000
_LONGEST_TOPIC = 160
_OPEN = re.compile(r"<<<([A-Z][A-Z_-]{0,31})\s*")
_FIELD = re.compile(r"[\s*-]{0,8}([A-Za-z][A-Za-z ]{0,30}?)\**:\**\s+(.{0,2000})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """The prompt as understood. `fields` holds its `Key: value` lines, keys in lower case."""

    task: str
    topic: str
    words: int
    fields: dict[str, str]
    blocks: dict[str, str]

    def block(self, *names: str) -> str:
        """The first of these inputs that is there; empty if none is."""
        return next((self.blocks[name] for name in names if self.blocks.get(name)), "")


@dataclass(frozen=True, kw_only=True)
class Question:
    """One provider call, whatever its wire format. `told` is the text as sent, markers included."""

    provider: Provider
    model: str
    told: str
    stream: bool = False
    schema: dict[str, Any] | None = None
    max_tokens: int | None = None
    effort: str = ""
    thinking: str = ""
    cached: str = ""
    ratio: str = ""
    size: str = ""
    picture: bool = False
    dialect: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def prompt(self) -> str:
        """The text without markers: all that an answer may depend on."""
        return without_markers(self.told)

    @cached_property
    def markers(self) -> tuple[str, ...]:
        return markers(self.told)

    @cached_property
    def topic_line(self) -> str:
        """The line that names the topic, as sent: what a counted marker counts over."""
        lines, _ = _cut(self.told)
        told = _after_task(lines)
        return told.get("topic", "") or next((line for line in lines if line.strip()), "")[:2_000]

    @cached_property
    def brief(self) -> Brief:
        return read(self.prompt, self.provider, self.schema)

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.told.encode()).hexdigest()

    @property
    def is_manifest(self) -> bool:
        """Whether this is the Claude call that `manifest` faults are aimed at."""
        return self.provider == "claude" and self.schema is not None and self.brief.task != "ready"


def read(prompt: str, provider: str, schema: dict[str, Any] | None) -> Brief:
    """Understand a prompt; whatever is missing is guessed."""
    lines, blocks = _cut(prompt)
    fields = _after_task(lines)
    return Brief(
        task=_task(fields.get("task", "")) or _guess(provider, schema, blocks),
        topic=_topic(fields, lines),
        words=_words(fields.get("word count", "")),
        fields=fields,
        blocks=blocks,
    )


def _cut(prompt: str) -> tuple[list[str], dict[str, str]]:
    outside: list[str] = []
    blocks: dict[str, list[str]] = {}
    name, inside = "", list[str]()
    for line in prompt.split("\n"):
        opened = None if name else _OPEN.fullmatch(line.rstrip("\r"))
        if opened:
            name, inside = opened[1], []
            blocks.setdefault(name, inside)
        elif name and line.strip() == f"{name}>>>":
            name = ""
        else:
            (inside if name else outside).append(line)
    return outside, {key: "\n".join(held).strip() for key, held in blocks.items()}


def _after_task(lines: list[str]) -> dict[str, str]:
    # Rules come first and may explain the lines of the brief; the brief itself starts at `Task:`.
    found = [(match[1].lower(), match[2]) for line in lines if (match := _FIELD.match(line))]
    start = next((at for at, (key, value) in enumerate(found) if key == "task" and _task(value)), 0)
    fields: dict[str, str] = {}
    for key, value in found[start:]:
        fields.setdefault(key, value)
    return fields


def _task(told: str) -> str:
    word = told.strip(" .*`").lower()
    return word if word in TASKS else ""


def _guess(provider: str, schema: dict[str, Any] | None, blocks: dict[str, str]) -> str:
    if schema is not None:
        return "images" if "images" in schema.get("properties", {}) else "ready"
    if provider == "perplexity":
        return "research"
    order = (("DRAFT", "edit"), ("OUTLINE", "write"), ("RESEARCH", "outline"))
    return next((task for name, task in order if name in blocks), "write")


def _topic(fields: dict[str, str], lines: list[str]) -> str:
    told = fields.get("topic") or next((line for line in lines if line.strip(" #*`>-")), "")
    clean = " ".join(told.replace("`", "'").split()).strip(" #*>-")
    if len(clean) > _LONGEST_TOPIC:
        clean = clean[:_LONGEST_TOPIC].rsplit(" ", 1)[0]
    return clean or "the subject at hand"


def _words(told: str) -> int:
    number = re.search(r"\d{1,9}", told.replace(",", ""))
    return min(MOST_WORDS, max(50, int(number[0]))) if number else DEFAULT_WORDS
