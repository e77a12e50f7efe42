"""Ready: the article as it is published, front matter before it and its pictures in place.

The model is asked for front matter and places only; the text is put together here, so that not a
word of what a person approved can change. Pictures are addressed as `media/<file name>`, beside the
article; whoever shows or exports it puts its own media address there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.ready.frontmatter import (
    LONGEST,
    SHORTEST,
    Fault,
    FrontMatter,
    fields,
    parse,
    shortcoming,
)
from services.ready.pictures import Picture, Unreadable, illustrated, listed, pictures
from shared.content.article import title_of
from shared.content.frontmatter import emit, split
from shared.content.markdown import sections
from shared.content.prompt import compose
from shared.content.structured import strict_schema
from shared.content.text import one_line, tidy
from shared.content.usable import unusable
from shared.domain.values import Stage
from shared.errors import Permanent
from shared.runtime.desk import Work, question

if TYPE_CHECKING:
    from shared.content.frontmatter import Field
    from shared.providers.port import Answer
    from shared.runtime.desk import Desk

_AGAIN = """\
Your last answer could not be used: {fault}. Answer again with this put right, as one JSON object
and nothing else."""


async def ready(desk: Desk) -> Work:
    """Ask for front matter, then put the article together."""
    own, article = split(tidy(desk.output(Stage.EDIT)))
    if not article:
        raise Permanent("there is no edited article to make ready", code="no_article")
    shown = _pictures(desk)
    asked = await _front_matter(desk, article, shown)
    return _work(desk, own, article, shown, asked)


def _pictures(desk: Desk) -> tuple[Picture, ...]:
    manifest = desk.output(Stage.IMAGES)
    try:
        return pictures(manifest)
    except Unreadable as error:
        raise unusable(str(error), manifest, code="unusable_manifest") from error


async def _front_matter(desk: Desk, article: str, shown: tuple[Picture, ...]) -> FrontMatter:
    """The model's front matter, asked once more if the first answer falls short."""
    answer = await _ask(desk, "front-matter", article, shown, "")
    fault = _fault(answer)
    if fault:
        await desk.say(f"The front matter could not be used: {fault}", level="warning")
        answer = await _ask(desk, "front-matter-again", article, shown, fault)
    try:
        asked = parse(answer.text)
    except Fault as error:
        reason = f"no usable front matter: {error}"
        raise unusable(reason, answer.text, code="unusable_front_matter") from error
    if not one_line(asked.description):
        raise unusable("the front matter has no description", answer.text, "unusable_front_matter")
    return asked


def _fault(answer: Answer) -> str:
    try:
        return shortcoming(parse(answer.text))
    except Fault as error:
        return str(error)


async def _ask(
    desk: Desk, key: str, article: str, shown: tuple[Picture, ...], fault: str
) -> Answer:
    prompt = compose(
        desk,
        Stage.READY,
        {"ARTICLE": article, "MANIFEST": listed([p for p in shown if not p.featured])},
        extra=(("Slug", desk.config.slug), ("Sections", " | ".join(sections(article)))),
        closing=_AGAIN.format(fault=fault) if fault else "Write the front matter.",
    )
    request = question(desk, prompt.system, prompt.text, schema=strict_schema(FrontMatter))
    return await desk.ask(key, request, asking=f"Asking {request.model} for the front matter")


def _work(
    desk: Desk,
    own: dict[str, Field],
    article: str,
    shown: tuple[Picture, ...],
    asked: FrontMatter,
) -> Work:
    featured = next((picture for picture in shown if picture.featured), None)
    inside = tuple(picture for picture in shown if not picture.featured)
    places = {place.filename: place.after_section for place in asked.placements}
    body, lost = illustrated(article, inside, places)
    front = fields(asked, own, title_of(article), desk.config, desk.today, featured)
    return Work(
        output=f"{emit(front)}\n\n{body.rstrip()}\n",
        warnings=_warnings(asked, featured, lost),
        summary=f"Article ready: {len(inside)} images placed, featured image "
        + ("set" if featured else "missing"),
    )


def _warnings(
    asked: FrontMatter, featured: Picture | None, lost: tuple[str, ...]
) -> tuple[str, ...]:
    warnings = []
    length = len(one_line(asked.description))
    if not SHORTEST <= length <= LONGEST:
        warnings.append(f"The description has {length} characters; 150 to 160 are wanted")
    if featured is None:
        warnings.append("There is no featured image")
    if lost:
        warnings.append(f"Images without a section stand after the introduction: {', '.join(lost)}")
    return tuple(warnings)
