"""The research document: keywords, audience, problems and facts, with [n] citations, in a fence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.simulator.answers.sources import found
from shared.simulator.answers.subject import subject
from shared.simulator.answers.voice import Voice

if TYPE_CHECKING:
    from shared.simulator.brief import Brief
    from shared.simulator.chance import Chance


def write(brief: Brief, chance: Chance) -> str:
    """The document as the model sends it, wrapped in a Markdown fence."""
    sources = found(brief)
    page = _Page(brief, Voice(subject(brief.topic), chance), [s.title for s in sources])
    parts = (
        page.head(),
        page.keywords(),
        page.audience(),
        page.problems(),
        page.competitors(),
        page.facts(),
        page.angle(),
    )
    return "```markdown\n" + "\n\n".join(parts) + "\n```"


class _Page:
    def __init__(self, brief: Brief, voice: Voice, titles: list[str]) -> None:
        self._brief = brief
        self._voice = voice
        self._titles = titles

    def head(self) -> str:
        audience = self._brief.fields.get("target audience", "Beginners with limited time")
        return (
            f"# Research Document: {self._voice.subject.title}\n\n"
            f"**Topic:** {self._brief.topic}  \n**Target Audience:** {audience}"
        )

    def _cite(self, count: int = 1) -> str:
        numbers = [self._voice.chance.between(1, len(self._titles)) for _ in range(count)]
        return "".join(f"[{number}]" for number in sorted(set(numbers)))

    def keywords(self) -> str:
        doing = self._voice.subject.doing
        primary = self._brief.fields.get("primary keyword", "") or doing
        told = self._brief.fields.get("related keywords", "")
        second = [word.strip() for word in told.split(",") if word.strip()] or [
            f"{doing} for beginners",
            f"{doing} tips",
            f"{doing} step by step",
        ]
        more = [f"{doing} checklist", f"{doing} mistakes", f"cost of {doing}"]
        listed = "\n".join(
            f"{at}. {word}{self._cite()}" for at, word in enumerate([*second, *more], 1)
        )
        return (
            f"## 1. Keywords\n\n### Primary Keyword\n**{primary}**\n\n"
            f"### Secondary Keywords\n{listed}\n\n### Long-tail Opportunities\n"
            f"- how long does {doing} take{self._cite()}\n- {doing} with little time\n"
            f"- what to do when {doing} does not work{self._cite()}"
        )

    def audience(self) -> str:
        voice = self._voice
        return (
            "## 2. Target Audience Profile\n\n### Who They Are\n"
            f"- People who want results in {voice.subject.doing} without making it a second job\n"
            f"- Mostly self-taught, with a few failed attempts behind them{self._cite(2)}\n"
            f"- Short of time on working days, freer at weekends{self._cite()}\n\n"
            "### What They Want\n"
            f"- A sequence they can follow without further reading{self._cite()}\n"
            f"- Honest numbers on time and money{self._cite(2)}\n"
            "- Permission to start small"
        )

    def problems(self) -> str:
        voice = self._voice
        pains = [
            f"{at}. **{voice.say('pain')}**\n   - {voice.say('general')}{self._cite(2)}\n"
            f"   - {voice.say('fact')}.{self._cite()}"
            for at in range(1, 6)
        ]
        questions = [f"- {voice.say('question')}{self._cite()}" for _ in range(5)]
        return (
            "## 3. Pain Points & Challenges\n\n"
            + "\n\n".join(pains)
            + "\n\n### Common Questions\n"
            + "\n".join(questions)
        )

    def competitors(self) -> str:
        voice = self._voice
        rows = [
            f"{at}. **{title}**[{at}]\n   - Strength: {voice.say('general')}\n"
            f"   - Weakness: {voice.say('gap')}."
            for at, title in enumerate(self._titles[:4], 1)
        ]
        return "## 4. Competitor Analysis\n\n" + "\n\n".join(rows)

    def facts(self) -> str:
        rows = [f"- {self._voice.say('fact')}.{self._cite(2)}" for _ in range(10)]
        return "## 5. Facts and Figures\n\n" + "\n".join(rows)

    def angle(self) -> str:
        voice = self._voice
        covered = [
            f"- **{voice.of(aspect, 'heading')}**: {voice.of(aspect, 'purpose')}{self._cite()}"
            for aspect in voice.aspects(7)
        ]
        return (
            "## 6. Recommended Angle\n\n"
            f"{voice.say('general')} {voice.say('promise')}{self._cite(2)}\n\n"
            "### What the Article Should Cover\n" + "\n".join(covered)
        )
