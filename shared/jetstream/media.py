"""The media store: bytes under `<post>/<digest>`, in an object store beside the log.

In the format of the client's object store. Read directly and written without a look at the stream,
so that neither needs a consumer or a right to purge; the pieces bear the post in their subject, so
that erasing it also finds those of a write that never came to its end.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import nats.errors
from nats.js.errors import APIError

from shared.errors import LogUnavailable, Malformed
from shared.jetstream.direct import Direct
from shared.jetstream.rights import BUCKET, BUCKET_STREAM

if TYPE_CHECKING:
    from shared.jetstream.connection import Connection
    from shared.jetstream.messages import Item

_META: Final = f"$O.{BUCKET}.M"
_CHUNKS: Final = f"$O.{BUCKET}.C"
_DIGEST: Final = "SHA-256="
_PIECE: Final = 128 * 1024
_REPLACING: Final = {"Nats-Rollup": "sub"}
"""Of what stood at this subject before, nothing is kept."""


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
        self._js = connection.nc.jetstream()

    async def put(self, name: str, data: bytes) -> None:
        known = await self._known(name)
        if known is not None and known.digest == hashlib.sha256(data).digest():
            return
        try:
            await self._written(name, data)
        except (APIError, nats.errors.Error, OSError) as error:
            raise LogUnavailable(f"{name} was not stored: {error}") from error

    async def _written(self, name: str, data: bytes) -> None:
        """The pieces, and only then what they are together."""
        place = f"{name.partition('/')[0]}.{secrets.token_hex(11)}"
        pieces = [data[at : at + _PIECE] for at in range(0, len(data), _PIECE)]
        for piece in pieces:
            await self._js.publish(f"{_CHUNKS}.{place}", piece)
        told = json.dumps(_described(name, place, data, len(pieces))).encode()
        await self._js.publish(_meta(name), told, headers=dict(_REPLACING))

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
        prefixes = (prefix, *more)
        found = [item async for item in self._direct.everything(f"{_META}.>")]
        known = {each.name: each for each in map(_object, found) if each is not None}
        doomed = [known[name] for name in sorted(known) if name.startswith(prefixes)]
        try:
            for each in doomed:
                await self._removed(each)
            for post, whole, rest in (each.partition("/") for each in prefixes):
                if whole and not rest:
                    await self._swept(post)
        except (APIError, nats.errors.Error, OSError) as error:
            raise LogUnavailable(f"not all of {prefix} was removed: {error}") from error
        return len(doomed)

    async def _removed(self, known: _Object) -> None:
        """Nothing in place of the pieces: so it needs no right to purge."""
        told = {"name": known.name, "bucket": BUCKET, "nuid": known.chunks, "deleted": True}
        meta = json.dumps({**told, "size": 0, "chunks": 0, "digest": ""}).encode()
        await self._js.publish(f"{_CHUNKS}.{known.chunks}", b"", headers=dict(_REPLACING))
        await self._js.publish(_meta(known.name), meta, headers=dict(_REPLACING))

    async def _swept(self, post: str) -> None:
        """Every piece of a post, also of what was never described."""
        await self._js.purge_stream(BUCKET_STREAM, subject=f"{_CHUNKS}.{post}.>")

    async def _known(self, name: str) -> _Object | None:
        item = await self._direct.last(_meta(name))
        return None if item is None else _object(item)


def _meta(name: str) -> str:
    return f"{_META}.{base64.urlsafe_b64encode(name.encode()).decode()}"


def _described(name: str, place: str, data: bytes, pieces: int) -> dict[str, Any]:
    """An object as every client of the object store reads it."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode()
    return {
        "name": name,
        "bucket": BUCKET,
        "nuid": place,
        "size": len(data),
        "chunks": pieces,
        "digest": f"{_DIGEST}{digest}",
        "options": {"max_chunk_size": _PIECE},
    }


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
