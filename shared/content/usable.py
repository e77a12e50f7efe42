"""An answer is a usable document, or the stage fails for good with the beginning of the answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.content.measure import measure
from shared.content.refusal import refuses
from shared.content.unwrap import Document, unwrap
from shared.errors import Permanent

if TYPE_CHECKING:
    from shared.content.measure import Measure

# An output is stored in one fact of at most 512 KB, beside other things.
LONGEST = 400_000
_SHOWN = 500


def unusable(reason: str, answer: str, code: str = "unusable_answer") -> Permanent:
    """The failure that says why, with as much of the answer as a person needs to see."""
    return Permanent(reason, code=code, raw=answer[:_SHOWN])


def size_of(text: str) -> int:
    """Bytes in UTF-8."""
    return len(text.encode("utf-8", "ignore"))


def document(answer: str, what: str) -> Document:
    """The document in the answer. Raises `Permanent` for empty, endless and refused ones."""
    if (size := size_of(answer)) > LONGEST:
        raise unusable(f"the {what} has {size:,} bytes, too many for one", answer)
    found = unwrap(answer)
    if not found.body:
        raise unusable(f"the answer holds no {what}", answer)
    if refuses(found.body):
        raise unusable(f"the model declined to give a {what}", answer)
    return found


def measured(markdown: str, what: str, *, words: int, sections: int, answer: str) -> Measure:
    """The figures of the text. Raises `Permanent` if it has too few words or sections."""
    figures = measure(markdown)
    if figures.word_count < words:
        reason = (
            f"the {what} has {figures.word_count:,} words; {words:,} are the least to go on with"
        )
        raise unusable(reason, answer)
    if len(figures.sections) < sections:
        reason = f"the {what} has {len(figures.sections)} sections; it needs {sections} or more"
        raise unusable(reason, answer)
    return figures
