"""What the simulated models say: for each task, a document that reads like the real one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from shared.simulator.answers import draft, edit, manifest, outline, ready, research
from shared.simulator.answers.schema import conform, looks_like_manifest
from shared.simulator.chance import Chance

if TYPE_CHECKING:
    from shared.simulator.brief import Question
    from shared.simulator.faults import Fault

_PAGE = (
    "<h1>Title</h1><script>alert(1)</script><img src=x onerror=alert(1)>"
    '<a href="javascript:alert(1)">link</a>\n\n[link](javascript:alert(1))\n'
)
_HUGE = 5_000_000
_WRITERS = {
    "research": research.write,
    "outline": outline.write,
    "write": draft.write,
    "edit": edit.write,
}


def text(question: Question) -> str:
    """The answer's text: a document, or JSON when a schema is asked for."""
    chance = Chance(question.provider, question.model, question.prompt)
    if question.schema is None:
        return _WRITERS.get(question.brief.task, draft.write)(question.brief, chance)
    if looks_like_manifest(question.schema):
        value = manifest.compose(question.brief, chance)
    else:
        value = ready.compose(question.brief, chance)
    return json.dumps(conform(value, question.schema, chance), ensure_ascii=False, indent=2)


def hostile(text: str, fault: Fault | None) -> str:
    """The text a misbehaving model would give instead, if the fault asks for one."""
    if fault and fault.name == "huge":
        return "x" * int(fault.arg or _HUGE)
    if fault and fault.name == "html":
        return _PAGE
    return text
