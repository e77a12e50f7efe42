"""The pages the simulated search finds for a topic: plausible titles on example hosts only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.simulator.answers.subject import subject
from shared.simulator.answers.voice import Voice
from shared.simulator.chance import Chance

if TYPE_CHECKING:
    from shared.simulator.brief import Brief

_HOSTS = ("www.example.com", "example.org", "blog.example.com", "guides.example.org", "example.com")
_LONGEST_SLUG = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One search result."""

    title: str
    url: str
    date: str | None
    updated: str
    snippet: str

    def told(self) -> dict[str, str | None]:
        """The result as the provider's JSON shows it."""
        return {
            "title": self.title,
            "url": self.url,
            "date": self.date,
            "last_updated": self.updated,
            "snippet": self.snippet,
            "source": "web",
        }


def found(brief: Brief) -> list[Found]:
    """Eight to fifteen results for the topic, the same each time."""
    chance = Chance("search", brief.topic)
    voice = Voice(subject(brief.topic), chance)
    return [_result(voice, chance) for _ in range(chance.between(8, 15))]


def _result(voice: Voice, chance: Chance) -> Found:
    page, site = voice.say("page"), voice.say("site")
    day = f"{chance.between(1, 12):02d}-{chance.between(1, 28):02d}"
    return Found(
        title=f"{page} | {site}",
        url=f"https://{chance.pick(_HOSTS)}/{slug(site)}/{slug(page)}",
        date=None if chance.below(6) == 0 else f"{chance.between(2022, 2025)}-{day}",
        updated=f"2026-{day}",
        snippet=f"{voice.say('fact')}. {voice.say('general')}",
    )


def slug(text: str) -> str:
    """Lower case, words joined by hyphens, ASCII only; never empty."""
    words = re.findall(r"[a-z0-9]+", text.lower().replace("'", ""))
    return "-".join(words)[:_LONGEST_SLUG].strip("-") or "page"
