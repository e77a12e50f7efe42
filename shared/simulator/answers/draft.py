"""The draft: an article of the asked length that follows the outline and links its sources."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from shared.simulator.answers import outline
from shared.simulator.answers.aspects import ASPECTS
from shared.simulator.answers.subject import subject
from shared.simulator.answers.voice import Voice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shared.simulator.answers.aspects import Aspect
    from shared.simulator.brief import Brief
    from shared.simulator.chance import Chance

_URL = re.compile(r"https?://[^\s<>()\[\]{}\"'`|\\]{4,300}")
_MOST_LINKS = 6


def write(brief: Brief, chance: Chance) -> str:
    """The draft as the model sends it: bare, or inside a pretended call that writes a file."""
    article = _Author(brief, chance).article()
    if chance.below(2):
        return article
    return (
        "I'll go through the outline and write the post now.\n\n"
        f'<file_write file="draft.md">\n{article}\n</file_write>\n\n'
        "The draft is finished. In short:\n\n"
        f"**Structure:** every section of the outline, in order.\n\n"
        f"**Word count:** about {brief.words:,} words, as asked.\n\n"
        "- **Tone:** friendly and plain throughout\n- **Links:** only to sources in the research\n"
    )


def urls(*texts: str) -> list[str]:
    """The web addresses in the texts, each once, in order."""
    found = (match.rstrip(".,;:!?*_") for text in texts for match in _URL.findall(text))
    return list(dict.fromkeys(found))


def count(text: str) -> int:
    """How many words a text has."""
    return len(text.split())


def headline(brief: Brief) -> str:
    """The article's title, with the primary keyword in it."""
    title, keyword = subject(brief.topic).title, _keyword(brief)
    if not keyword or keyword.lower() in title.lower():
        return title
    return f"{title}: {keyword[:1].upper()}{keyword[1:]} in Plain Steps"


def _keyword(brief: Brief) -> str:
    return brief.fields.get("primary keyword", "").strip()[:80]


class _Author:
    def __init__(self, brief: Brief, chance: Chance) -> None:
        self._brief = brief
        self._voice = Voice(subject(brief.topic), chance)
        self._chance = chance
        given = urls(brief.block("SOURCES"), brief.block("RESEARCH"))
        self._urls = given[:_MOST_LINKS]

    def article(self) -> str:
        """The whole article; about half of them begin with their title."""
        title = [f"# {headline(self._brief)}"] if self._chance.below(2) else []
        parts = [*title, self._introduction()]
        plan = self._plan()
        for at, (heading, aspect) in enumerate(plan):
            done = sum(count(part) for part in parts)
            left = self._brief.words * 0.93 - done
            parts.append(self._section(heading, aspect, left / (len(plan) - at)))
        parts.append(self._conclusion())
        return "\n\n".join(parts)

    def _plan(self) -> list[tuple[str, Aspect]]:
        asked = outline.headings(self._brief.block("OUTLINE"))
        if asked:
            return [(heading, _aspect(heading, at)) for at, heading in enumerate(asked)]
        aspects = self._voice.aspects(outline.sections(self._brief.words))
        return [(self._voice.of(aspect, "heading"), aspect) for aspect in aspects]

    def _introduction(self) -> str:
        voice = self._voice
        needed = self._brief.fields.get("must be mentioned", "").strip()
        mention = f"\n\nOne thing deserves to be said early: {needed}" if needed else ""
        about = _keyword(self._brief) or voice.subject.doing
        return (
            f"{voice.say('hook')} {voice.say('general')}\n\n"
            f"So this is about {about}, from the first day to the point where it"
            f" runs by itself. {voice.say('promise')}{mention}"
        )

    def _section(self, heading: str, aspect: Aspect, words: float) -> str:
        parts = [f"## {heading}"]
        for part in self._paragraphs(aspect):
            if sum(count(held) for held in parts) + count(part) / 2 > words and len(parts) > 1:
                break
            parts.append(part)
        return "\n\n".join(parts)

    def _paragraphs(self, aspect: Aspect) -> Iterator[str]:
        voice = self._voice
        yield self._paragraph(aspect, own=2, general=1, link=True)
        yield f"{voice.say('lead')}\n\n{voice.points(aspect, 4)}"
        yield self._paragraph(aspect, own=2, general=1)
        yield f"### {voice.of(aspect, 'detail')}"
        yield f"{voice.say('example')} {voice.say('general')}"
        yield self._paragraph(aspect, own=2, general=2)
        while True:
            yield self._paragraph(aspect, own=0, general=3)
            yield f"{voice.say('example')} {voice.say('bridge')}"

    def _paragraph(self, aspect: Aspect, *, own: int, general: int, link: bool = False) -> str:
        said = [self._voice.of(aspect, "sentence") for _ in range(own)]
        said += [self._voice.say("general") for _ in range(general)]
        if link and self._urls:
            said.append(self._voice.link(self._urls.pop(0)))
        return " ".join(said)

    def _conclusion(self) -> str:
        voice = self._voice
        more = f" {voice.link(self._urls.pop(0))}" if self._urls else ""
        last = f"Before You Go: {_keyword(self._brief)}".rstrip(": ")
        return (
            f"## {last}\n\n{voice.say('closing')} {voice.say('general')}\n\n"
            f"**Ready to begin?** Pick one step from above and try it today.{more}"
        )


def _aspect(heading: str, position: int) -> Aspect:
    """The aspect whose own headings share most words with this one."""
    words = set(re.findall(r"[a-z]{3,}", heading.lower()))

    def shared(aspect: Aspect) -> int:
        known = re.findall(r"[a-z]{3,}", " ".join(aspect.heading).lower())
        return len(words & set(known))

    best = max(ASPECTS, key=shared)
    return best if shared(best) else ASPECTS[position % len(ASPECTS)]
