"""Everything Galley knows of NATS: the log, the inboxes, the media store and the live text.

The only package that imports `nats`.
"""

from __future__ import annotations

from shared.jetstream.beats import (
    JetStreamBacklogs,
    JetStreamBeats,
    open_backlogs,
    open_beats,
)
from shared.jetstream.connection import Alarm, Connection, connect
from shared.jetstream.documents import JetStreamDocuments, open_documents
from shared.jetstream.erasure import JetStreamErasure
from shared.jetstream.inbox import JetStreamDelivery, JetStreamInbox
from shared.jetstream.live import JetStreamLive
from shared.jetstream.log import (
    JetStreamLog,
    open_erasure,
    open_inbox,
    open_live,
    open_log,
    open_media,
)
from shared.jetstream.media import JetStreamMedia
from shared.jetstream.rights import ADMIN, ERASER, GATEWAY, PROJECTOR, RIGHTS, USERS, producer_may
from shared.jetstream.server import SYSTEM, accounts, server_config
from shared.jetstream.snapshots import (
    BACKED_UP,
    Extent,
    Snapshot,
    drop,
    holds,
    put_back,
    snapshot,
)
from shared.jetstream.state import state_of
from shared.jetstream.topology import ensure

__all__ = [
    "ADMIN",
    "BACKED_UP",
    "ERASER",
    "GATEWAY",
    "PROJECTOR",
    "RIGHTS",
    "SYSTEM",
    "USERS",
    "Alarm",
    "Connection",
    "Extent",
    "JetStreamBacklogs",
    "JetStreamBeats",
    "JetStreamDelivery",
    "JetStreamDocuments",
    "JetStreamErasure",
    "JetStreamInbox",
    "JetStreamLive",
    "JetStreamLog",
    "JetStreamMedia",
    "Snapshot",
    "accounts",
    "connect",
    "drop",
    "ensure",
    "holds",
    "open_backlogs",
    "open_beats",
    "open_documents",
    "open_erasure",
    "open_inbox",
    "open_live",
    "open_log",
    "open_media",
    "producer_may",
    "put_back",
    "server_config",
    "snapshot",
    "state_of",
]
