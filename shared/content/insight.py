"""What an article looks like to a reader and to a search engine: figures, densities, seven checks.

Everything is measured on the article itself: its own title, its own description, whole words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.content.checklist import primary_keyword
from shared.content.frontmatter import split
from shared.content.links import host
from shared.content.measure import Measure, density, measure, mentions, prose_of, words_in
from shared.content.readability import flesch

if TYPE_CHECKING:
    from shared.domain.values import PostConfig

_OPENING = 100
_MOST_KEYWORDS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class SeoChecks:
    """The seven checks; those about the keyword are None when nobody named one."""

    keyword_in_title: bool | None
    keyword_in_first_100_words: bool | None
    keyword_in_h2: bool | None
    has_h2_headings: bool
    has_internal_links: bool
    has_external_links: bool
    has_meta_description: bool
    internal_link_count: int
    external_link_count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Insight:
    """An article in figures; `flesch` is None where the formula says nothing."""

    title: str
    measured: Measure
    flesch: float | None
    densities: dict[str, float]
    seo: SeoChecks


def insight(article: str, config: PostConfig) -> Insight:
    """The figures of an article in Markdown, with or without front matter."""
    fields, body = split(article)
    measured, prose = measure(body), prose_of(body)
    title = str(fields.get("title") or "") or measured.title
    keywords = dict.fromkeys(word.strip() for word in config.related_keywords if word.strip())
    return Insight(
        title=title,
        measured=measured,
        flesch=flesch(measured.words, measured.sentences),
        densities={
            word: density(measured, prose, word) for word in list(keywords)[:_MOST_KEYWORDS]
        },
        seo=_checks(measured, prose, title, bool(fields.get("description")), config),
    )


def _checks(
    measured: Measure, prose: str, title: str, described: bool, config: PostConfig
) -> SeoChecks:
    keyword = primary_keyword(config)
    opening = " ".join(words_in(prose.removeprefix(measured.title))[:_OPENING])
    inside, outside = _leading(measured.urls, host(config.website_url))

    def found(*texts: str) -> bool | None:
        return any(mentions(text, keyword) for text in texts) if keyword else None

    return SeoChecks(
        keyword_in_title=found(title),
        keyword_in_first_100_words=found(opening),
        keyword_in_h2=found(*measured.sections),
        has_h2_headings=bool(measured.sections),
        has_internal_links=inside > 0,
        has_external_links=outside > 0,
        has_meta_description=described,
        internal_link_count=inside,
        external_link_count=outside,
    )


def _leading(urls: tuple[str, ...], own: str) -> tuple[int, int]:
    """How many links stay on the article's own site, and how many leave it.

    A link within the article is neither, nor is what is no web address.
    """
    inside = outside = 0
    for url in urls:
        site = host(url) if url.lower().startswith(("http://", "https://", "//")) else ""
        inside += site == own if site else _is_path(url)
        outside += bool(site) and site != own
    return inside, outside


def _is_path(url: str) -> bool:
    """A path on the same site; `mailto:` and its like have a colon before any slash."""
    return not url.startswith(("//", "#", "?")) and url != "" and ":" not in url.split("/", 1)[0]
