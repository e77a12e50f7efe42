"""A post's image manifest is changed by code alone: read, changed in one place, stored as an edit.

What is stored is the change of exactly the manifest that the append follows; when somebody was
faster, it is read and changed again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from services.gateway.control.commands import TRIES, execute
from services.gateway.web.preconditions import Expected, Stale
from services.gateway.web.problems import Missing
from services.gateway.web.refusals import Contended, Refused
from shared.content.illustrations import NoImage, NoManifest, image, read, written
from shared.domain.commands import EditContent
from shared.domain.decide import answered
from shared.domain.outputs import outputs
from shared.domain.values import Stage
from shared.errors import Rejected

if TYPE_CHECKING:
    from collections.abc import Callable

    from services.gateway.context import Gateway
    from shared.content.illustrations import Manifest
    from shared.domain.subjects import PostRef
    from shared.domain.values import CommandRef
    from shared.eventlog import History


def manifest_of(history: History) -> Manifest | None:
    """The post's manifest; None when there is none yet. Raises `Refused` when it is unreadable."""
    text = outputs(history.flow).get(Stage.IMAGES)
    try:
        return None if text is None else read(text)
    except NoManifest as error:
        raise Refused(Rejected(str(error)), history.post) from error


def require_image(history: History, number: int) -> None:
    """Raises `Missing` when the manifest there is has no such image."""
    manifest = manifest_of(history)
    try:
        if manifest is not None:
            image(manifest, number)
    except NoImage as error:
        raise Missing(str(error)) from error


async def revised(
    gateway: Gateway,
    ref: PostRef,
    by: CommandRef,
    change: Callable[[Manifest], Manifest],
    expected: Expected | None,
) -> History:
    """Store the changed manifest. Raises `Refused`, `Missing`, `Contended`, `LogUnavailable`."""
    for _ in range(TRIES):
        history = await gateway.events.read(ref)
        command = _command(history, by, change)
        if not answered(history.post, command):
            _require(history, expected)
        only = Expected(frozenset({history.post.n}))
        try:
            done = await execute(
                gateway.events, ref, command, gateway.clock, supposed=history, expected=only
            )
        except Refused as refused:
            if not isinstance(refused.reason, Stale):
                raise
        else:
            return done.history
    raise Contended


def _command(
    history: History, by: CommandRef, change: Callable[[Manifest], Manifest]
) -> EditContent:
    """The edit; without a manifest it is of nothing, and the post's rules refuse it by name."""
    manifest = manifest_of(history)
    try:
        text = "" if manifest is None else written(change(manifest))
    except NoImage as error:
        raise Missing(str(error)) from error
    return EditContent(
        post_id=history.ref.id, by=by, stage=Stage.IMAGES, actor=by.actor, output=text
    )


def _require(history: History, expected: Expected | None) -> None:
    try:
        if expected is not None and history.post.n and not history.post.deleted:
            expected.require(history.post)
    except Stale as stale:
        raise Refused(stale, history.post) from stale
