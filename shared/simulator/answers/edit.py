"""The edited article: the draft in the prompt, tidied, with front matter and notes, in a fence."""

from __future__ import annotations

import re
from itertools import combinations
from typing import TYPE_CHECKING

from shared.simulator.answers import draft
from shared.simulator.answers.subject import subject

if TYPE_CHECKING:
    from shared.simulator.brief import Brief
    from shared.simulator.chance import Chance

_RULE = re.compile(r"^[ \t]*(?:-{3,}|\*{3,}|_{3,})[ \t]*$", re.MULTILINE)
_PLACEHOLDER = re.compile(r"^\[IMAGE:[^\]\n]{0,500}\][ \t]*$", re.MULTILINE)
_TITLE = re.compile(r"\A#[ \t]+([^\n]{1,300})\n+")
_PARTS = (
    " in clear steps",
    " at your own pace",
    ": what to prepare",
    ", how to begin",
    ", what it costs",
    ", which mistakes to avoid",
    ", how to see progress",
    ", whom to ask",
    " and how to keep going",
)


def write(brief: Brief, chance: Chance) -> str:
    """The answer as the model sends it; the article keeps its title line about half of the time."""
    article = tidy(brief.block("DRAFT", "ARTICLE") or draft.write(brief, chance))
    topic = subject(brief.topic)
    title = _title(article, draft.headline(brief))
    body = _TITLE.sub("", article)
    if chance.below(2):
        body = f"# {title}\n\n{body}"
    head = (
        f'---\ntitle: "{_quoted(title)}"\ndescription: "{_quoted(description(topic.doing))}"\n'
        f'keywords: "{_quoted(topic.doing)}, {_quoted(topic.doing)} tips"\nauthor: ""\n---'
    )
    return f"```markdown\n{head}\n\n{body}\n\n{_notes(body, title, topic.doing)}\n```"


def tidy(article: str) -> str:
    """The article without wrappers, comments, rules, image placeholders and em dashes."""
    text = _without_comments(_unwrapped(article))
    for clutter in (_RULE, _PLACEHOLDER):
        text = clutter.sub("", text)
    text = re.sub(r" ?\u2014 ?", ", ", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _unwrapped(article: str) -> str:
    opened = article.find("<file_write ")
    start = article.find(">\n", opened) + 2
    end = article.rfind("\n</file_write>")
    return article[start:end] if 0 <= opened < start <= end else article


def _without_comments(text: str) -> str:
    kept: list[str] = []
    at = 0
    while (opened := text.find("<!--", at)) >= 0:
        kept.append(text[at:opened])
        closed = text.find("-->", opened)
        at = closed + 3 if closed >= 0 else len(text)
    return "".join([*kept, text[at:]])


def description(doing: str) -> str:
    """A meta description of 150 to 160 characters, unless the subject alone is longer."""
    start = text = f"A calm guide to {doing}"
    for size in range(len(_PARTS), 0, -1):
        for parts in combinations(_PARTS, size):
            text = f"{start}{''.join(parts)}."
            if 150 <= len(text) <= 160:
                return text
    return text[:155].rsplit(" ", 1)[0].rstrip(",:") + "."


def _title(article: str, otherwise: str) -> str:
    match = _TITLE.match(article)
    return match[1].strip() if match else otherwise


def _quoted(text: str) -> str:
    return text.replace("\\", " ").replace('"', "'")


def _notes(body: str, title: str, keyword: str) -> str:
    linked = len(re.findall(r"\]\(https?://", body))
    return (
        f"<!--\nPUBLISHING NOTES\n\nTitle: {title.replace('--', '-')}"
        f" ({len(title) + 3} characters)\n"
        f"Primary keyword: {keyword}\nWord count: {draft.count(body)}\nLinks: {linked}\n\n"
        "Checked: grammar and spelling, headings, transitions.\n"
        "Before publishing: add the images and read it once on a phone.\n-->"
    )
