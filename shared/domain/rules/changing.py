"""Several changes as one: fields of the order, gates, their terms, models, texts; all or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.domain.commands import ChangePost, ConfigurePost, EditContent
from shared.domain.rules.reviewing import edit
from shared.domain.rules.starting import configure
from shared.domain.values import ORDER, GateTerms, PostConfig

if TYPE_CHECKING:
    from datetime import datetime

    from shared.domain.events import AnyFlow
    from shared.domain.post import Post


def change(post: Post, command: ChangePost, now: datetime) -> list[AnyFlow]:
    """What differs becomes facts; a text that may not be edited forbids everything."""
    order = ConfigurePost(
        post_id=command.post_id,
        config=_config(post, command),
        gates=dict(command.gates),
        models=dict(command.models),
        terms=GateTerms.model_validate({**post.terms.model_dump(), **command.terms}),
    )
    facts = configure(post, order, now)
    for stage in ORDER:
        if (text := command.texts.get(stage)) is not None:
            edited = EditContent(
                post_id=command.post_id, stage=stage, actor=command.actor, output=text
            )
            facts += edit(post, edited, now)
    return facts


def _config(post: Post, command: ChangePost) -> PostConfig | None:
    if post.config is None:
        return None
    return PostConfig.model_validate({**post.config.model_dump(), **command.fields})
