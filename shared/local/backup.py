"""One file that holds a whole log and its pictures, and is either exactly what was written or
refused.

A ZIP: each stream in the server's own form, then `manifest.json`, which says what they are. The
archive's comment is the SHA-256 of every byte before it. What is made from the log, the rows in
Postgres, is not in it.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import tempfile
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal
from zipfile import BadZipFile, ZipFile, ZipInfo

from pydantic import BaseModel, ConfigDict

from shared.errors import LogUnavailable, Misconfigured
from shared.jetstream import BACKED_UP, Extent, drop, holds, put_back, snapshot, state_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from typing import IO

    from shared.jetstream import Connection, Snapshot

type Progress = Callable[[str, int], None]
"""Told the stream and how many of its bytes are through."""

FORMAT: Final = "galley-backup"
VERSION: Final = 1
MANIFEST: Final = "manifest.json"
SEAL: Final = b"galley-backup sha256 "
SEALED: Final = len(SEAL) + 64
CHUNK: Final = 128 * 1024


class Part(BaseModel):
    """One stream: what it held, how it is configured, and the digest of its bytes in the file."""

    model_config = ConfigDict(frozen=True)

    stream: str
    extent: Extent
    size: int
    sha256: str
    config: dict[str, Any]

    @property
    def file(self) -> str:
        return f"{self.stream}.tar.s2"


class Manifest(BaseModel):
    """What a backup is a backup of. `identity` is that of the log it was taken from."""

    model_config = ConfigDict(frozen=True)

    format: Literal["galley-backup"] = FORMAT
    version: int = VERSION
    identity: str
    taken_at: datetime
    parts: tuple[Part, ...]

    @property
    def log(self) -> Part:
        return self.parts[0]


async def back_up(
    connection: Connection, target: Path, taken_at: datetime, progress: Progress
) -> Manifest:
    """Write the whole log and its pictures to `target`, while others go on writing to them.

    Everything acknowledged before the call is in it. Raises `Misconfigured` when there is such a
    file or it cannot be written, `LogUnavailable`; then there is no file.
    """
    if target.exists():
        raise Misconfigured(f"{target} is there already: a backup replaces nothing")
    with _fresh(target) as file:
        identity = (await state_of(connection)).identity
        with ZipFile(file, "w") as archive:
            parts = [await _copied(connection, each, archive, progress) for each in BACKED_UP]
            manifest = Manifest(identity=identity, taken_at=taken_at, parts=tuple(parts))
            archive.writestr(_entry(MANIFEST), manifest.model_dump_json(indent=2))
            archive.comment = SEAL + b"0" * 64
        await asyncio.to_thread(_seal, file)
    return manifest


def examine(source: Path) -> Manifest:
    """What is in the file, once every byte of it was checked. Raises `Misconfigured`."""
    try:
        with source.open("rb") as file, ZipFile(file) as archive:
            if not archive.comment.startswith(SEAL):
                raise Misconfigured(f"{source} is no backup of Galley")
            if _digest(file) != archive.comment.removeprefix(SEAL).decode("ascii", "replace"):
                raise Misconfigured(f"{source} is damaged: it is not what was written")
            return _manifest(source, archive.read(MANIFEST))
    except OSError as error:
        raise Misconfigured(f"{source} cannot be read: {error.strerror or error}") from error
    except (BadZipFile, KeyError) as error:
        message = f"{source} is no backup of Galley, or not all of one"
        raise Misconfigured(message) from error


async def put_all_back(
    connection: Connection, source: Path, manifest: Manifest, progress: Progress
) -> None:
    """Make the log and its pictures out of a file that was examined, on a server that has none.

    Raises `Misconfigured` when it has, `LogUnavailable`; then what was made of it is taken back.
    """
    for part in manifest.parts:
        if await holds(connection, part.stream):
            raise Misconfigured(f"the server holds {part.stream} already: nothing is written over")
    made: list[str] = []
    try:
        with ZipFile(source) as archive:
            for part in manifest.parts:
                made.append(part.stream)
                await _restored(connection, part, archive, progress)
    except (LogUnavailable, Misconfigured):
        for stream in made:
            if await holds(connection, stream):
                await drop(connection, stream)
        raise


async def _copied(
    connection: Connection, stream: str, archive: ZipFile, progress: Progress
) -> Part:
    async with snapshot(connection, stream) as taken:
        name = Part(stream=stream, extent=taken.extent, size=0, sha256="", config=taken.config)
        with archive.open(_entry(name.file), "w", force_zip64=True) as into:
            size, digest = await _poured(taken, into, lambda done: progress(stream, done))
    return name.model_copy(update={"size": size, "sha256": digest})


async def _poured(taken: Snapshot, into: IO[bytes], told: Callable[[int], None]) -> tuple[int, str]:
    digest, size = hashlib.sha256(), 0
    async for chunk in taken.chunks():
        into.write(chunk)
        digest.update(chunk)
        size += len(chunk)
        told(size)
    return size, digest.hexdigest()


async def _restored(
    connection: Connection, part: Part, archive: ZipFile, progress: Progress
) -> None:
    digest = hashlib.sha256()
    with archive.open(part.file) as file:
        chunks = _read(file, digest, lambda done: progress(part.stream, done))
        extent = await put_back(connection, part.stream, part.config, chunks)
    if digest.hexdigest() != part.sha256:
        raise LogUnavailable("the backup was changed while it was read")
    if extent != part.extent:
        message = f"{part.stream} holds {tuple(extent)} now, and held {tuple(part.extent)}"
        raise LogUnavailable(f"the server made something else of the backup: {message}")


async def _read(
    file: IO[bytes], digest: hashlib._Hash, told: Callable[[int], None]
) -> AsyncIterator[bytes]:
    done = 0
    while chunk := file.read(CHUNK):
        yield chunk
        digest.update(chunk)
        done += len(chunk)
        told(done)


def _entry(name: str) -> ZipInfo:
    entry = ZipInfo(name)
    entry.external_attr = 0o600 << 16
    return entry


@contextmanager
def _fresh(target: Path) -> Iterator[IO[bytes]]:
    """A file beside the target, its owner's alone, which takes its name when all went well."""
    try:
        made, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise Misconfigured(f"{target} cannot be written: {error.strerror}") from error
    part = Path(name)
    try:
        with os.fdopen(made, "w+b") as file:
            yield file
            os.fsync(file.fileno())
        part.replace(target)
        _sync(target.parent)
    except OSError as error:
        raise Misconfigured(f"{target} cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _seal(file: IO[bytes]) -> None:
    digest = _digest(file).encode()
    file.seek(-len(digest), os.SEEK_END)
    file.write(digest)
    file.flush()


def _digest(file: IO[bytes]) -> str:
    """SHA-256 of everything before the seal's own digest."""
    left, digest = file.seek(0, os.SEEK_END) - 64, hashlib.sha256()
    file.seek(0)
    while left > 0 and (data := file.read(min(left, CHUNK))):
        digest.update(data)
        left -= len(data)
    return digest.hexdigest()


def _manifest(source: Path, text: bytes) -> Manifest:
    try:
        version = json.loads(text).get("version")
        if isinstance(version, int) and version > VERSION:
            message = f"{source} was written by a newer Galley (format {version}, not {VERSION})"
            raise Misconfigured(f"{message}: restore it with that one")
        manifest = Manifest.model_validate_json(text)
    except (ValueError, AttributeError) as error:
        raise Misconfigured(f"{source} does not say what it is a backup of") from error
    if tuple(part.stream for part in manifest.parts) != BACKED_UP:
        raise Misconfigured(f"{source} is not a backup of a whole log and its pictures")
    return manifest
