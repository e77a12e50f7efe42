"""The media store: bytes under `<post>/<digest>`, in an object store beside the log.

Written through the client's object store; read directly, so that reading needs no consumer and no
right but to read.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Final, NamedTuple

import nats.errors
from nats.js.errors import APIError, ObjectNotFoundError
from nats.js.object_store import ObjectStore

from shared.errors import LogUnavailable, Malformed
from shared.jetstream.direct import Direct
from shared.jetstream.rights import BUCKET, BUCKET_STREAM

if TYPE_CHECKING:
    from shared.jetstream.connection import Connection
    from shared.jetstream.messages import Item

_META: Final = f"$O.{BUCKET}.M"
_CHUNKS: Final = f"$O.{BUCKET}.C"
_DIGEST: Final = "SHA-256="


class _Object(NamedTuple):
    """What the store says of an object. `digest`: SHA-256 of its bytes, raw."""

    name: str
    chunks: str
    size: int
    digest: bytes


class JetStreamMedia:
    """A `Media` in the bucket MEDIA."""

    def __init__(self, connection: Connection) -> None:
        self._direct = Direct(connection, BUCKET_STREAM)
        self._store = ObjectStore(BUCKET, BUCKET_STREAM, connection.nc.jetstream())

    async def put(self, name: str, data: bytes) -> None:
        known = await self._known(name)
        if known is not None and known.digest == hashlib.sha256(data).digest():
            return
        try:
            await self._store.put(name, data)
        except (APIError, nats.errors.Error, OSError) as error:
            raise LogUnavailable(f"{name} was not stored: {error}") from error

    async def get(self, name: str) -> bytes | None:
        """The bytes. Raises `Malformed` when they are not what was stored, `LogUnavailable`."""
        known = await self._known(name)
        if known is None:
            return None
        subject = f"{_CHUNKS}.{known.chunks}"
        data = b"".join([item.data async for item in self._direct.everything(subject)])
        if len(data) != known.size or hashlib.sha256(data).digest() != known.digest:
            raise Malformed(f"the bytes of {name} are not those that were stored")
        return data

    async def remove(self, prefix: str, *more: str) -> int:
        found = [item async for item in self._direct.everything(f"{_META}.>")]
        names = {known.name for known in map(_object, found) if known is not None}
        doomed = sorted(name for name in names if name.startswith((prefix, *more)))
        for name in doomed:
            await self._removed(name)
        return len(doomed)

    async def _removed(self, name: str) -> None:
        try:
            await self._store.delete(name)
        except ObjectNotFoundError:
            return
        except (APIError, nats.errors.Error, OSError) as error:
            raise LogUnavailable(f"{name} was not removed: {error}") from error

    async def _known(self, name: str) -> _Object | None:
        place = base64.urlsafe_b64encode(name.encode()).decode()
        item = await self._direct.last(f"{_META}.{place}")
        return None if item is None else _object(item)


def _object(item: Item) -> _Object | None:
    """The object a meta message describes; None for a removed one."""
    try:
        told = json.loads(item.data)
        if told.get("deleted"):
            return None
        digest = base64.urlsafe_b64decode(told.get("digest", "").removeprefix(_DIGEST))
        return _Object(told["name"], told["nuid"], told.get("size", 0), digest)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Malformed(f"no object is described at {item.subject[:200]}") from error
