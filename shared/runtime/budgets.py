"""Before a call is sent, its worst case is held back in every budget that covers it.

The reservation is stored in one batch with the claim, after exactly the balances that were read: of
any number of callers each knows of all before it. What a call came to is booked after its end is in
the log, once, however often it is tried; what a dead worker left unbooked is finished by the next
delivery or by the duties of the gateway. Where nothing is capped, nothing is read but now and then.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol
from weakref import WeakValueDictionary

import structlog

from shared.domain.balances import (
    EMPTY,
    Balance,
    attempt_of,
    book,
    decode_balance,
    encode_balance,
    opening,
    reserve,
    usd,
)
from shared.domain.budgets import (
    BudgetName,
    day_budget,
    limits,
    named,
    post_budget,
    profile_budget,
    refusal,
)
from shared.domain.documents import profile_in, profile_ref, settings_in, settings_ref
from shared.errors import Conflict, LogError, LogUnavailable, Unconfirmed
from shared.eventlog import Append, Guarded
from shared.runtime.outcomes import OverBudget
from shared.runtime.patience import patiently

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager
    from uuid import UUID

    from shared.domain.balances import Booking, Money
    from shared.domain.events import CallStarted
    from shared.domain.post import Post
    from shared.domain.subjects import PostRef
    from shared.eventlog import Accounts, Documents

log = structlog.get_logger()

LOOK_AGAIN_S: Final = 5.0
"""A cap that is set where there was none is obeyed within so many seconds."""
TRIES: Final = 200
"""So often a change of a balance is made anew after somebody else wrote first."""
_LONGEST_PAUSE: Final = 0.5
_KEPT: Final = 1_000

type Reserved = tuple[CallStarted, tuple[Guarded, ...]]


class Standing(NamedTuple):
    """A balance as it was read, and the sequence it stands at; 0 when there is none yet."""

    balance: Balance = EMPTY
    seq: int = 0


class Purse(Protocol):
    """What paid calls need of budgets."""

    def reserved(
        self, ref: PostRef, post: Post, claim: CallStarted
    ) -> AbstractAsyncContextManager[Reserved]:
        """The claim, naming the budgets that cover it, and what has to be stored with it.

        Raises `OverBudget`, `LogUnavailable`. To be stored before the context is left.
        """
        ...

    async def booked(self, ref: PostRef, claim: CallStarted, *ends: Booking) -> None:
        """Book what a call has come to. Never raises for a log that is away."""
        ...

    async def pause(self, tries: int) -> None:
        """A while, after somebody else was faster."""
        ...


class Uncapped:
    """A `Purse` without any budget."""

    @asynccontextmanager
    async def reserved(
        self,
        ref: PostRef,  # noqa: ARG002  (the signature is the protocol's)
        post: Post,  # noqa: ARG002
        claim: CallStarted,
    ) -> AsyncIterator[Reserved]:
        yield claim, ()

    async def booked(self, ref: PostRef, claim: CallStarted, *ends: Booking) -> None:
        pass

    async def pause(self, tries: int) -> None:
        pass


class Budgets:
    """The budgets of one process' calls. `day_usd` is the cap of a day that the settings leave
    open."""

    def __init__(
        self,
        accounts: Accounts,
        documents: Documents,
        *,
        day_usd: float | None,
        monotonic: Callable[[], float],
        jitter: Callable[[], float],
    ) -> None:
        self._accounts = accounts
        self._documents = documents
        self._day_usd = day_usd
        self._monotonic = monotonic
        self._jitter = jitter
        self._open_until: dict[tuple[str, UUID | None], float] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def reserved(
        self, ref: PostRef, post: Post, claim: CallStarted
    ) -> AsyncIterator[Reserved]:
        if self._known_open(ref, post):
            yield claim, ()
            return
        names = _covering(ref, post, claim)
        async with self._turn(ref.tenant, names):
            caps, stand = await asyncio.gather(
                self.caps(ref, post, claim), standing(self._accounts, ref.tenant, names)
            )
            held = {name: stand[name] for name in caps}
            yield await self._held_back(ref, claim, caps, held)

    async def booked(self, ref: PostRef, claim: CallStarted, *ends: Booking) -> None:
        names = [named(told) for told in claim.scopes]
        if not names or not ends:
            return

        def settled(balance: Balance) -> Balance:
            for end in ends:
                balance = book(balance, end)
            return balance

        try:
            async with self._turn(ref.tenant, names):
                await patiently(lambda: self.change(ref, names, settled), "a balance")
        except LogError as error:
            log.warning("budget.unbooked", call=claim.key, post=str(ref.id), why=str(error))

    async def caps(
        self, ref: PostRef, post: Post, claim: CallStarted
    ) -> Mapping[BudgetName, Money]:
        """The caps that hold for this claim, as they are set now."""
        profile = post.config.profile_id if post.config else None
        settings = settings_ref(ref.tenant)
        refs = [settings] if profile is None else [settings, profile_ref(ref.tenant, profile)]
        found = await self._documents.latest(refs)
        said = settings_in(found.get(settings)).budgets.over(self._day_usd)
        own = profile_in(found.get(refs[-1])) if profile is not None else None
        caps = limits(ref, post, claim.at, said, own)
        if not caps:
            self._remember_open(ref, profile)
        return caps

    async def change(
        self, ref: PostRef, names: Sequence[BudgetName], what: Callable[[Balance], Balance]
    ) -> None:
        """Change these balances together; those that stay as they are, are not written.

        Raises `LogUnavailable`, `Unconfirmed`.
        """
        for tries in range(TRIES):
            stand = await standing(self._accounts, ref.tenant, names)
            new = {name: (what(each.balance), each) for name, each in stand.items()}
            changed = [
                _after(ref.tenant, name, balance, before)
                for name, (balance, before) in new.items()
                if balance != before.balance
            ]
            if not changed:
                return
            try:
                await self._accounts.append(Append(ref=ref, facts=(), also=changed))
            except Unconfirmed:
                raise
            except Conflict:
                await self.pause(tries)
            else:
                return
        raise LogUnavailable(f"others changed the balance {TRIES} times in a row")

    async def pause(self, tries: int) -> None:
        """A while, and never as long as others: who comes back together meets again."""
        await asyncio.sleep(self._jitter() * min(_LONGEST_PAUSE, 0.01 * 2.0 ** min(tries, 10)))

    def _known_open(self, ref: PostRef, post: Post) -> bool:
        """Nothing capped the calls of such a post a moment ago."""
        config = post.config
        if config is not None and config.budget_usd is not None:
            return False
        profile = config.profile_id if config else None
        return self._monotonic() < self._open_until.get((ref.tenant, profile), 0.0)

    def _remember_open(self, ref: PostRef, profile: UUID | None) -> None:
        while len(self._open_until) >= _KEPT:
            del self._open_until[next(iter(self._open_until))]
        self._open_until[ref.tenant, profile] = self._monotonic() + LOOK_AGAIN_S

    def _turn(self, tenant: str, names: Sequence[BudgetName]) -> asyncio.Lock:
        """One after the other within this process: two that have read the same balance would only
        get in each other's way. Who shares a balance shares the widest one."""
        return self._turns.setdefault(names[0].subject(tenant), asyncio.Lock())

    async def _held_back(
        self,
        ref: PostRef,
        claim: CallStarted,
        caps: Mapping[BudgetName, Money],
        stand: Mapping[BudgetName, Standing],
    ) -> Reserved:
        worst, attempt = usd(claim.worst_case_usd), attempt_of(claim)
        balances = {name: await self._opened(ref, name, each) for name, each in stand.items()}
        if (no := refusal(caps, balances, worst)) is not None:
            raise OverBudget(no)
        told = tuple(
            _after(ref.tenant, name, reserve(balances[name], attempt, worst), stand[name])
            for name in caps
        )
        return claim.model_copy(update={"scopes": tuple(map(str, caps))}), told

    async def _opened(self, ref: PostRef, name: BudgetName, stands: Standing) -> Balance:
        """A post's first balance knows what the post had paid before; others begin at nothing."""
        if stands.seq or name.scope != "post":
            return stands.balance
        journal = await self._accounts.calls(ref)
        return opening(fact for _, fact in journal.facts)


async def standing(
    accounts: Accounts, tenant: str, names: Iterable[BudgetName]
) -> dict[BudgetName, Standing]:
    """How each of these budgets stands, in one round trip. Raises `Malformed`, `TooNew`."""
    subjects = {name: name.subject(tenant) for name in names}
    found = await accounts.latest(list(subjects.values()))
    return {
        name: Standing(decode_balance(found[subject].data), found[subject].seq)
        if subject in found
        else Standing()
        for name, subject in subjects.items()
    }


def _after(tenant: str, name: BudgetName, balance: Balance, before: Standing) -> Guarded:
    return Guarded(subject=name.subject(tenant), data=encode_balance(balance), expected=before.seq)


def _covering(ref: PostRef, post: Post, claim: CallStarted) -> list[BudgetName]:
    """Every budget that may cover a claim, the widest first."""
    profile = post.config.profile_id if post.config else None
    of_profile = [] if profile is None else [profile_budget(profile)]
    return [day_budget(claim.at), *of_profile, post_budget(ref.id)]
