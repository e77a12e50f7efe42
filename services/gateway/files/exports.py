"""A post as files to take away: Markdown, HTML, WordPress blocks, or everything in one ZIP.

The same post at the same sequence gives the same bytes. Names are made of safe characters only, and
images are linked relative, as `images/<file>`.
"""

from __future__ import annotations

import io
import re
from html import escape
from typing import TYPE_CHECKING, NamedTuple
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from slugify import slugify

from services.gateway.files.gutenberg import gutenberg
from services.gateway.files.pictures import Picture, pictures
from services.gateway.web.problems import Missing
from shared.content.article import title_of
from shared.content.frontmatter import split
from shared.content.html import to_html
from shared.domain.values import PostConfig, Stage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from services.gateway.posts.present import View

_EPOCH = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_READABLE = 0o100644 << 16
_UNSAID = PostConfig(topic="", slug="")


class Article(NamedTuple):
    """What can be taken away of a post: a safe name, the text with relative links, its images."""

    name: str
    markdown: str
    title: str
    website: str
    pictures: tuple[Picture, ...]


def article(view: View) -> Article:
    """The finished article; before that, the edited one. Raises `Missing` when there is neither."""
    text = view.texts.get(Stage.READY) or view.texts.get(Stage.EDIT)
    post = view.post.id
    if not text or post is None:
        raise Missing("this post has nothing to export yet")
    config = view.post.config or _UNSAID
    known = _safe(pictures(post, view.texts.get(Stage.IMAGES, "")))
    fields, body = split(text)
    title = fields.get("title")
    return Article(
        name=slugify(config.slug or config.topic, max_length=120) or "article",
        markdown=linked(text, post, known),
        title=title if isinstance(title, str) and title else title_of(body) or config.topic,
        website=config.website_url,
        pictures=tuple(known),
    )


def _safe(found: Sequence[Picture]) -> list[Picture]:
    """Images by names that are nothing but a name; the first of a name counts."""
    unique = {each.filename: each for each in reversed(found) if _NAME.fullmatch(each.filename)}
    return [unique[name] for name in sorted(unique)]


_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*")


def linked(text: str, post: UUID, known: Sequence[Picture]) -> str:
    """The text with the addresses of these images made relative; nothing else is touched."""
    if not known:
        return text
    names = "|".join(re.escape(each.filename) for each in known)
    served = rf"(?<![\w/.:-])(?:/media/{post}/|media/)({names})(?![\w.-])"
    return re.sub(served, r"images/\1", text)


def html(of: Article) -> str:
    """The article as a page of its own."""
    _, body = split(of.markdown)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(of.title)}</title>\n</head>\n<body>\n<article>\n"
        f"{to_html(body, of.website)}</article>\n</body>\n</html>\n"
    )


def wordpress(of: Article) -> str:
    """The article as WordPress blocks."""
    _, body = split(of.markdown)
    return gutenberg(body, of.title, of.website)


def packed(of: Article, images: Mapping[str, bytes], records: Mapping[str, bytes]) -> bytes:
    """The ZIP with article, page and images, and with the records of how it came to be."""
    buffer = io.BytesIO()
    with ZipFile(buffer, "w") as archive:
        archive.writestr(_entry(f"{of.name}.md", ZIP_DEFLATED), of.markdown.encode())
        archive.writestr(_entry(f"{of.name}.html", ZIP_DEFLATED), html(of).encode())
        for name in sorted(records):
            archive.writestr(_entry(name, ZIP_DEFLATED), records[name])
        for name in sorted(images):
            archive.writestr(_entry(f"images/{name}", ZIP_STORED), images[name])
    return buffer.getvalue()


def _entry(name: str, method: int) -> ZipInfo:
    entry = ZipInfo(name, _EPOCH)
    entry.compress_type = method
    entry.create_system = _UNIX
    entry.external_attr = _READABLE
    return entry
