"""The keys in force, as the log has them: a fold in memory that follows every change of them.

A key made, revoked or damaged on any replica counts here as soon as the feed has told of it. What
cannot be read lets nobody in: a version that only a newer Galley understands may well revoke.
"""

from __future__ import annotations

import asyncio
import hmac
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Final, NamedTuple

import structlog

from services.gateway.access.caller import Caller
from services.gateway.access.refused import KeysUnknown, Unauthenticated
from services.gateway.access.sessions import Sessions
from shared.domain.documents import DocRef, Document, Kind, key_ref, ref_of, used_ref
from shared.domain.keys import key_in, key_text, used_in
from shared.errors import Conflict, LogError

if TYPE_CHECKING:
    from datetime import datetime

    from services.gateway.access.first import FirstKey
    from services.gateway.access.sessions import Begun
    from services.gateway.control.commands import Clock
    from shared.domain.documents import Standing
    from shared.domain.keys import ApiKey, KeyText
    from shared.eventlog import Documents

type _Name = tuple[str, str]

log = structlog.get_logger()

_PAUSE_S = 0.5
_USE_TOLD_EVERY_S = 60.0
_NO_DIGEST: Final = sha256(b"").hexdigest()
_KINDS: Final = (Kind.KEY, Kind.USED, Kind.SESSION)


class Held(NamedTuple):
    """A key, the version that says so, and when it was used last as far as is known."""

    ref: DocRef
    seq: int
    key: ApiKey
    used: datetime | None


class _Use(NamedTuple):
    """When the log says that a key was used, and the sequence at which it does."""

    at: datetime
    seq: int


class Keyring:
    def __init__(self, documents: Documents, clock: Clock, first: FirstKey | None = None) -> None:
        self._documents = documents
        self._clock = clock
        self._first = first
        self._loaded = asyncio.Event()
        self._foreign = False
        self._unread = set[DocRef]()
        self._news = asyncio.Event()
        self._read = asyncio.Event()
        self._keys = dict[_Name, Held]()
        self._told = dict[_Name, _Use]()
        self._used = dict[_Name, "datetime"]()
        self.sessions = Sessions()

    # --- who asks -----------------------------------------------------------------------------

    def problem(self) -> str | None:
        """Why nobody can be let in yet."""
        return None if self._loaded.is_set() else "the keys have not been read yet"

    async def loaded(self) -> None:
        """Until everybody who has a key can be let in."""
        await self._loaded.wait()

    async def awaited(self, patience_s: float) -> None:
        """Give a gateway that has just started a moment to read the keys."""
        if not self._loaded.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self._loaded.wait(), patience_s)

    def caller(self, said: str) -> Caller:
        """Whose key this is. Raises `Unauthenticated`, `KeysUnknown`."""
        if not self._loaded.is_set():
            raise KeysUnknown
        text = key_text(said)
        held = self._keys.get((text.tenant, text.id)) if text else None
        if not _same(text, held.key.digest if held else None) or held is None:
            raise Unauthenticated("this key is not known here")
        return self._admitted(held)

    def in_session(self, said: str) -> Caller:
        """Whose session this is. Raises `Unauthenticated`, `KeysUnknown`."""
        if not self._loaded.is_set():
            raise KeysUnknown
        begun = self._begun(said)
        held = self._keys.get((begun.ref.tenant, begun.session.key)) if begun else None
        if begun is None or begun.session.link or held is None:
            raise Unauthenticated("this session is over: show a key, or follow a new link")
        return replace(self._admitted(held), session=begun.ref.id)

    def link(self, said: str) -> Begun | None:
        """The link that this is, if it leads anywhere."""
        begun = self._begun(said)
        return begun if begun is not None and begun.session.link else None

    def _begun(self, said: str) -> Begun | None:
        text = key_text(said)
        begun = self.sessions.get(text)
        same = _same(text, begun.session.digest if begun else None)
        return begun if same and begun and begun.session.lives(self._clock()) else None

    def _admitted(self, held: Held) -> Caller:
        now = self._clock()
        if not held.key.lives(now):
            gone = "was revoked" if held.key.revoked else "has expired"
            raise Unauthenticated(f"this key {gone}: ask an admin for another")
        self._used[held.ref.tenant, held.ref.id] = now
        return Caller(
            tenant=held.ref.tenant, id=held.ref.id, name=held.key.name, role=held.key.role
        )

    @property
    def tenants(self) -> frozenset[str]:
        return frozenset(tenant for tenant, _ in self._keys)

    def of(self, tenant: str) -> list[Held]:
        """Every key of a tenant that ever was, in the order of their making."""
        found = [each for (owner, _), each in self._keys.items() if owner == tenant]
        return sorted((self._with_use(each) for each in found), key=lambda each: each.key.created)

    def _with_use(self, held: Held) -> Held:
        name = held.ref.tenant, held.ref.id
        told = self._told.get(name)
        known = [each for each in (self._used.get(name), told.at if told else None) if each]
        return held._replace(used=max(known, default=None))

    # --- the fold -----------------------------------------------------------------------------

    def heard(self, subject: str) -> None:
        """Something was stored here: if it is about a key, read it."""
        ref = ref_of(subject)
        if ref is not None and ref.kind in _KINDS:
            self._unread.add(ref)
            self._read.clear()
            self._news.set()

    def anew(self) -> None:
        """It is another log than before, or the first sight of one: nothing of the old counts."""
        self._loaded.clear()
        self._read.clear()
        self._foreign = True
        self._news.set()

    def take(self, now: Standing) -> None:
        """How a document of ours stands; an older look than the last changes nothing."""
        match now.ref.kind:
            case Kind.KEY:
                self._take_key(now)
            case Kind.SESSION:
                self.sessions.take(now)
            case _:
                self._take_use(now)

    def _take_key(self, now: Standing) -> None:
        name = now.ref.tenant, now.ref.id
        if name in self._keys and self._keys[name].seq > now.top:
            return
        key = key_in(now.version) if now.above is None else None
        if key is None:
            self._keys.pop(name, None)
        else:
            self._keys[name] = Held(now.ref, now.top, key, None)

    def _take_use(self, now: Standing) -> None:
        at = used_in(now.version)
        if at is not None:
            self._told[now.ref.tenant, now.ref.id] = _Use(at, now.top)

    async def caught_up(self) -> None:
        """Until everything heard of so far was read."""
        await self._read.wait()

    async def run(self) -> None:
        """Load the keys once the feed stands in the log, so that it misses none; then
        follow their changes, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow(), name="keys")
            tasks.create_task(self._tell(), name="uses of keys")

    async def _follow(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await (self._catch_up() if self._loaded.is_set() else self._load())
            except LogError as error:
                log.warning("gateway.keys_unread", why=str(error))
                await asyncio.sleep(_PAUSE_S)
                self._news.set()
            if self._loaded.is_set() and not self._unread:
                self._read.set()

    async def _load(self) -> None:
        self._foreign = False
        found = [each for kind in _KINDS for each in await self._documents.everywhere(kind)]
        self._keys, self._told = {}, {}
        self.sessions.clear()
        for each in found:
            self.take(each)
        self.sessions.forget(self._clock())
        if self._first is not None and (written := await self._first.introduced(self)) is not None:
            self.take(written)
        if not self._foreign:
            self._loaded.set()

    async def _catch_up(self) -> None:
        while self._unread:
            wanted = list(self._unread)[:_MOST]
            self._unread.difference_update(wanted)
            try:
                stand = await self._documents.standing(wanted)
            except LogError:
                self._unread.update(wanted)
                raise
            for each in stand.values():
                self.take(each)

    # --- when a key was used last -------------------------------------------------------------

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(_USE_TOLD_EVERY_S)
            await self.tell_uses()
            self.sessions.forget(self._clock())

    async def tell_uses(self) -> None:
        """At most one small message for a key in a minute, by whichever replica comes first."""
        for (tenant, key), at in list(self._used.items()):
            told = self._told.get((tenant, key))
            if told is None or (at - told.at).total_seconds() >= _USE_TOLD_EVERY_S:
                await self._tell_use(used_ref(tenant, key), at, told.seq if told else 0)

    async def _tell_use(self, ref: DocRef, at: datetime, after: int) -> None:
        document = Document(actor="gateway", at=at, content={"at": at.isoformat()})
        try:
            seq = await self._documents.write(ref, document, after)
            self._told[ref.tenant, ref.id] = _Use(at, seq)
        except Conflict:
            self.heard(ref.subject)
        except LogError as error:
            log.warning("gateway.key_use_untold", why=str(error))


_MOST = 500


def _same(text: KeyText | None, digest: str | None) -> bool:
    """Compared in constant time, and for an unknown one against nothing: both take as long."""
    said = text.digest if text else _NO_DIGEST
    return hmac.compare_digest(said, digest or "0" * len(said)) and digest is not None


def held_in(keyring: Keyring, tenant: str, key: str) -> Held | None:
    """The key of this id, whatever has become of it."""
    ref = key_ref(tenant, key)
    return next((each for each in keyring.of(tenant) if each.ref == ref), None)
