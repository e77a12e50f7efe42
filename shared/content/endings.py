"""Whether a text stops where a writer would stop."""

from __future__ import annotations

from shared.content.markdown import parse, plain


def is_cut_off(markdown: str) -> bool:
    """Whether the last paragraph or heading leads nowhere: no full stop, or a heading alone."""
    tokens = parse(markdown)
    if not tokens:
        return True
    if tokens[-1].type == "heading_close":
        return True
    if tokens[-1].type != "paragraph_close":
        return False
    ending = plain(tokens[-2]).rstrip()
    return bool(ending) and (ending[-1].isalnum() or ending[-1] in ",;-(")
