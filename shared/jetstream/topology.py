"""What stands on the server: the stream, the media store and the stages' durable consumers.

Created and brought up to date by `ensure`, which `galley topology` calls and no service does. What
already stands and contradicts this table is not changed: the log refuses, in words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import nats.errors
import structlog
from nats.js import api
from nats.js.errors import APIError, NotFoundError

from shared.domain.values import ORDER, Stage
from shared.errors import LogUnavailable, Misconfigured
from shared.jetstream.rights import BUCKET, BUCKET_STREAM, STREAM

if TYPE_CHECKING:
    from shared.jetstream.connection import Connection

log = structlog.get_logger(__name__)

ACK_WAIT_S: Final = 30.0
SUBJECTS: Final = ("posts.>", "slugs.>", "budgets.>", "docs.>")
_MAX_CONSUMERS: Final = 5000
_DUPLICATE_WINDOW_S: Final = 120.0
_MAX_ACK_PENDING: Final = 10_000


def stream(replicas: int = 1) -> api.StreamConfig:
    """The one log. What it must never allow is spelled out, so that a comparison sees it."""
    return api.StreamConfig(
        name=STREAM,
        description="Everything that happened to every post",
        subjects=list(SUBJECTS),
        storage=api.StorageType.FILE,
        retention=api.RetentionPolicy.LIMITS,
        discard=api.DiscardPolicy.OLD,
        max_consumers=_MAX_CONSUMERS,
        max_msgs=-1,
        max_bytes=-1,
        max_age=0,
        max_msgs_per_subject=-1,
        num_replicas=replicas,
        duplicate_window=_DUPLICATE_WINDOW_S,
        allow_direct=True,
        allow_atomic=True,
        deny_delete=True,
        deny_purge=False,
        allow_rollup_hdrs=False,
        allow_msg_ttl=False,
        allow_msg_schedules=False,
    )


def durable(stage: Stage, ack_wait: float = ACK_WAIT_S) -> api.ConsumerConfig:
    """The requests of one stage, shared by all its replicas."""
    return api.ConsumerConfig(
        name=stage.value,
        durable_name=stage.value,
        description=f"Requests for the {stage} stage",
        filter_subject=f"posts.*.*.flow.{stage}.requested.*",
        deliver_policy=api.DeliverPolicy.ALL,
        ack_policy=api.AckPolicy.EXPLICIT,
        ack_wait=ack_wait,
        max_deliver=-1,
        max_ack_pending=_MAX_ACK_PENDING,
    )


async def ensure(
    connection: Connection, *, replicas: int = 1, ack_wait: float = ACK_WAIT_S
) -> None:
    """Create what is missing, bring the rest up to date; asked again, it changes nothing.

    Raises `Misconfigured` when what stands contradicts the table, `LogUnavailable` when the server
    does not answer.
    """
    try:
        await _ensure_stream(connection, replicas)
        await _ensure_media(connection, replicas)
        for stage in ORDER:
            await connection.nc.jetstream().add_consumer(STREAM, durable(stage, ack_wait))
    except APIError as error:
        raise Misconfigured(f"the server refuses the topology: {error.description}") from error
    except (nats.errors.Error, OSError) as error:
        raise LogUnavailable("the server did not answer about its topology") from error
    log.info("topology.ready", stream=STREAM, media=BUCKET, stages=len(ORDER))


async def _ensure_stream(connection: Connection, replicas: int) -> None:
    js, wanted = connection.nc.jetstream(), stream(replicas)
    try:
        standing = (await js.stream_info(STREAM)).config
    except NotFoundError:
        await js.add_stream(wanted)
        return
    if contradictions := _contradictions(standing, wanted):
        raise Misconfigured(
            f"the stream {STREAM} on this server is not ours: {'; '.join(contradictions)}"
        )
    await js.update_stream(wanted)


_FIXED: Final = (
    "storage",
    "retention",
    "discard",
    "max_age",
    "max_msgs",
    "max_bytes",
    "max_msgs_per_subject",
    "deny_delete",
    "deny_purge",
    "allow_rollup_hdrs",
    "allow_msg_ttl",
    "allow_msg_schedules",
    "sealed",
)
"""What no update may quietly change: how long things are kept, and what could remove them."""


def _contradictions(standing: api.StreamConfig, wanted: api.StreamConfig) -> list[str]:
    found = [
        f"{name} is {getattr(standing, name)}, not {getattr(wanted, name)}"
        for name in _FIXED
        if (getattr(standing, name) or 0) != (getattr(wanted, name) or 0)
    ]
    foreign = set(standing.subjects or ()) - set(SUBJECTS)
    return found + [f"it also holds {subject}" for subject in sorted(foreign)]


async def _ensure_media(connection: Connection, replicas: int) -> None:
    js = connection.nc.jetstream()
    try:
        standing = (await js.stream_info(BUCKET_STREAM)).config
    except NotFoundError:
        await js.create_object_store(
            BUCKET, storage=api.StorageType.FILE, replicas=replicas, description="Pictures"
        )
        return
    if standing.storage != api.StorageType.FILE or standing.max_age:
        raise Misconfigured(f"the media store {BUCKET} on this server forgets what it is given")
    if standing.num_replicas != replicas:
        standing.num_replicas = replicas
        await js.update_stream(standing)
