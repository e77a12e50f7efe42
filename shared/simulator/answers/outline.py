"""The outline: title options, a description, then H2 sections with points and target words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from shared.simulator.answers.subject import subject
from shared.simulator.answers.voice import Voice

if TYPE_CHECKING:
    from shared.simulator.answers.aspects import Aspect
    from shared.simulator.brief import Brief
    from shared.simulator.chance import Chance

_HEADING = re.compile(r"##[ \t]+(?:H2:[ \t]*)?(.{1,200})")
_TARGET = re.compile(r"[ \t]*\(~?[\d,]{1,7} words?\)[ \t]*")
_ABOUT = re.compile(
    r"(?:title|meta|seo|keyword|notes?|introduction|conclusion|images?|internal links)\b",
    re.IGNORECASE,
)


def write(brief: Brief, chance: Chance) -> str:
    """The outline as the model sends it: bare Markdown that starts with its title."""
    voice = Voice(subject(brief.topic), chance)
    aspects = voice.aspects(sections(brief.words))
    share = round(brief.words * 0.82 / len(aspects), -1)
    parts = [
        _head(brief, voice),
        *(_section(voice, aspect, at, share) for at, aspect in enumerate(aspects, 1)),
        _close(brief, voice),
    ]
    return "\n\n".join(parts) + "\n"


def sections(words: int) -> int:
    """How many H2 sections an article of this length has."""
    return min(11, max(3, round(words / 240)))


def headings(outline: str) -> list[str]:
    """The section headings an outline asks for; those with target words if any have them."""
    lines = [match[1].strip() for line in outline.split("\n") if (match := _HEADING.match(line))]
    counted = [line for line in lines if _TARGET.search(line)]
    named = [_TARGET.sub("", line).strip() for line in counted or lines]
    return [line for line in named if line and not _ABOUT.match(line)][:12]


def _head(brief: Brief, voice: Voice) -> str:
    title, doing = voice.subject.title, voice.subject.doing
    return (
        f"# Blog Post Outline: {title}\n\n**Target Word Count:** {brief.words:,} words\n"
        f"**Primary Keyword:** {doing}\n**Search Intent:** Informational\n\n"
        f"## Title Options\n\n1. {title}: A Plan for Ordinary Weeks\n"
        f"2. {title} Without the Guesswork\n3. {title}, Step by Step\n\n## Meta Description\n\n"
        f"A calm, practical guide to {doing}: what to prepare, where to begin, what to skip.\n\n"
        f"## Introduction (~{round(brief.words * 0.1, -1):.0f} words)\n\n"
        f'- Hook: "{voice.say("hook")}"\n- Promise: {voice.say("promise")}'
    )


def _section(voice: Voice, aspect: Aspect, number: int, words: float) -> str:
    return (
        f"## H2: Step {number}: {voice.of(aspect, 'heading')} (~{words:.0f} words)\n\n"
        f"**Purpose:** {voice.of(aspect, 'purpose')}\n\n{voice.points(aspect, 4)}\n"
        f"- Example: {voice.say('example')}\n\n### H3: {voice.of(aspect, 'detail')}\n"
        f"- {voice.say('general')}"
    )


def _close(brief: Brief, voice: Voice) -> str:
    return (
        f"## Conclusion (~{round(brief.words * 0.08, -1):.0f} words)\n\n"
        f"- Repeat the promise in one sentence\n- {voice.say('closing')}\n"
        "- Call to action: try the first step today"
    )
