"""Every error Galley raises on purpose, and what each branch leads to.

GalleyError
├── Rejected                 the command breaks a rule of the post   -> HTTP 409, nothing written
│   ├── NoSuchPost           nothing is known of this post           -> HTTP 404
│   ├── NothingToReview      no review is open
│   ├── StaleDecision        the review it answers is not the open one
│   ├── MissingInput         earlier outputs are missing             -> the error names them
│   ├── StageRunning         the stage (or another one) is at work
│   ├── GateForbidsEdit      `approve_only` takes no edited content
│   ├── HistoryFull          900 facts: only ending, deleting and forking are left
│   └── SlugTaken            another post of this profile owns the slug
├── CommandReused            the command id was used for something else -> HTTP 422
├── NoSuchProfile            nothing is known of this profile        -> HTTP 404
├── StaleVersion             the document has a newer version        -> HTTP 409, nothing written
├── NewerVersion             it was written by a newer Galley        -> HTTP 409, nothing written
├── LogError
│   ├── Conflict             somebody wrote first                    -> read, decide again
│   │   └── Unconfirmed      the server did not say                  -> the same: read, decide again
│   ├── Malformed            a message that is no fact of ours       -> terminate, alarm
│   ├── TooNew               a fact newer than this code             -> hand back, not ready, alarm
│   ├── TooLarge             a fact above 512 KB                     -> never sent
│   ├── ForeignLog           this is not the log we have read so far -> refuse to start
│   └── LogUnavailable       the log cannot be reached               -> HTTP 503, try again
├── ProviderError
│   ├── Transient            trying again may help                   -> CallFailed, wait, again
│   └── Permanent            trying again cannot help                -> StageFailed, parked
├── GatewayError             the gateway, asked over HTTP, said no   -> shown to the person
│   ├── NotAdmitted          401, 403: no key, or not a mighty enough -> show another key
│   ├── NotFound             404: no such post, profile or version
│   ├── StateConflict        409: not in the state it was decided on -> look, decide again
│   ├── InvalidRequest       400, 413, 415, 422: wrong as it was sent -> it names what
│   └── GatewayAway          it does not answer                      -> is the plant up?
│       └── Unanswered       a change was sent, no answer came       -> look before you repeat
└── Misconfigured            a setting is missing or wrong           -> refuse to start, say which
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.domain.values import Usage


class GalleyError(Exception):
    """Base of every deliberate error."""


class Rejected(GalleyError):
    """The command is not allowed in the post's present state."""


class NoSuchPost(Rejected):
    def __init__(self) -> None:
        super().__init__("there is no such post")


class NothingToReview(Rejected):
    def __init__(self) -> None:
        super().__init__("no stage of this post awaits a review")


class StaleDecision(Rejected):
    def __init__(self, named: int, open_now: int) -> None:
        super().__init__(f"this decision answers review {named}, but review {open_now} is open")


class MissingInput(Rejected):
    def __init__(self, stage: str, missing: Sequence[str]) -> None:
        super().__init__(f"{stage} needs the output of {', '.join(missing)} first")
        self.missing = tuple(missing)


class StageRunning(Rejected):
    def __init__(self, stage: str) -> None:
        super().__init__(f"{stage} is running; cancel it or wait for it to end")
        self.stage = stage


class GateForbidsEdit(Rejected):
    def __init__(self, stage: str) -> None:
        super().__init__(f"the gate after {stage} is approve_only: approve or reject, no edit")


class HistoryFull(Rejected):
    def __init__(self, facts: int) -> None:
        super().__init__(
            f"this post has {facts} facts; only ending, deleting or forking it is left"
        )


class SlugTaken(Rejected):
    def __init__(self, slug: str) -> None:
        super().__init__(f"another post already owns the slug {slug!r}")
        self.slug = slug


class CommandReused(GalleyError):
    """The command id (or Idempotency-Key) already stands for a different command."""

    def __init__(self) -> None:
        super().__init__("this idempotency key was used before for a different request")


class NoSuchProfile(GalleyError):
    def __init__(self) -> None:
        super().__init__("there is no such profile")


class StaleVersion(GalleyError):
    """`version` is the one in force."""

    def __init__(self, version: int) -> None:
        super().__init__("the document has changed since the version this request names")
        self.version = version


class NewerVersion(GalleyError):
    """`version` was written by a newer Galley; what stands over it undoes it."""

    def __init__(self, version: int) -> None:
        super().__init__(
            "a newer Galley has written the newest version; to put one over it, name it in If-Match"
        )
        self.version = version


class LogError(GalleyError):
    """The event log did not do what was asked."""


class Conflict(LogError):
    """Somebody appended first; nothing of this append was stored."""


class Unconfirmed(Conflict):
    """The server did not answer: the append may or may not have been stored."""


class Malformed(LogError):
    """A stored message is not a fact of ours: wrong shape, wrong place or wrong producer."""


class TooNew(LogError):
    """A fact of a type or version this code does not know yet."""


class TooLarge(LogError):
    """A fact above the cap of 512 KB."""


class ForeignLog(LogError):
    """The log's identity or content is not the one read before."""


class LogUnavailable(LogError):
    """The log cannot be reached now."""


class ProviderError(GalleyError):
    """A paid call failed.

    `code` is a short stable word ("rate_limited", "timeout", "authentication_error", "refusal"...),
    `status` the HTTP status if there was one, `usage` what the failed call consumed all the same
    (a refusal or a cut-off answer is billed), `unsure` that the provider may have billed more than
    that: the call was sent, and its end was not heard. `raw` is the answer's beginning. `call`
    is the key of the paid call that is to blame, `attempts` how often it was tried.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str,
        status: int | None = None,
        usage: Usage | None = None,
        unsure: bool = False,
        request_id: str | None = None,
        raw: str = "",
        call: str | None = None,
        attempts: int = 1,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
        self.usage = usage
        self.unsure = unsure
        self.request_id = request_id
        self.raw = raw
        self.call = call
        self.attempts = attempts


class Transient(ProviderError):
    """Trying again may help. `retry_after` is the provider's own hint, in seconds."""

    def __init__(
        self,
        message: str,
        *,
        code: str,
        status: int | None = None,
        usage: Usage | None = None,
        unsure: bool = False,
        request_id: str | None = None,
        raw: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(
            message,
            code=code,
            status=status,
            usage=usage,
            unsure=unsure,
            request_id=request_id,
            raw=raw,
        )
        self.retry_after = retry_after


class Permanent(ProviderError):
    """Trying again cannot help: bad key, bad request, refusal, unusable answer."""


class GatewayError(GalleyError):
    """The gateway refused a request. `status` is the HTTP status, the message what it said, `code`
    the stable word for the kind of refusal."""

    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class NotAdmitted(GatewayError):
    """The gateway knows no such key (401), or its role is too low (403)."""


class NotFound(GatewayError):
    """There is no such post, profile or version."""


class StateConflict(GatewayError):
    """The state does not allow it, or is not the one it was decided on.

    `current_stage` is where the post stands now, `review` the sequence of the review that is open,
    `version` what the next decision may name; empty or None where the gateway did not say.
    """

    def __init__(
        self,
        message: str,
        code: str = "",
        *,
        current_stage: str = "",
        review: int | None = None,
        version: int | None = None,
    ) -> None:
        super().__init__(409, message, code)
        self.current_stage = current_stage
        self.review = review
        self.version = version


@dataclass(frozen=True, slots=True)
class Flaw:
    """Where a request is wrong, and how; `row` counts a batch's rows from 1, 0 is no batch."""

    field: str
    problem: str
    row: int = 0


class InvalidRequest(GatewayError):
    """The request is wrong as it was sent, and nothing was done."""

    def __init__(
        self, status: int, message: str, code: str = "", *, flaws: Sequence[Flaw] = ()
    ) -> None:
        super().__init__(status, message, code)
        self.flaws = tuple(flaws)


class GatewayAway(GatewayError):
    """Nobody answers at the gateway's address."""

    def __init__(self, url: str, message: str = "") -> None:
        away = f"no gateway answers at {url}; start one with `galley up`"
        super().__init__(0, message or away)


class Unanswered(GatewayAway):
    """A change was sent and no answer came, however often it was asked: it may have been done."""

    def __init__(self, url: str) -> None:
        told = f"{url} was told and never answered: it may have been done, so look before you"
        super().__init__(url, f"{told} repeat it")


class Misconfigured(GalleyError):
    """A setting is missing or wrong; the message names it and says what to do."""
