"""One judgement for every way a provider can fail: is trying again worth it, and when.

An adapter says what it saw, in words no SDK owns (`ErrorReply` for an error on the wire, a
`Verdict` for the rest); `guarded` turns that into `Transient` or `Permanent`, and gives it what
the provider had told by then: usage, request id, the start of the text. Cancellation passes.
"""

from __future__ import annotations

import asyncio
import json
import traceback
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from shared.errors import Permanent, ProviderError, Transient
from shared.providers.capped import BodyTooLarge, BodyUnreadable
from shared.providers.hints import retry_after

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence

    from shared.domain.values import Usage

MESSAGE_LIMIT = 500
RAW_LIMIT = 4_000

# What a status means when it is the only thing we understand.
CODES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "request_timeout",
    409: "conflict",
    413: "request_too_large",
    422: "invalid_request_error",
    425: "too_early",
    429: "rate_limited",
    499: "client_closed",
    502: "bad_gateway",
    503: "overloaded",
    504: "gateway_timeout",
    529: "overloaded",
}
# After these the provider may have worked on the request, and charged for it; after any other
# error it has refused.
UNSURE = frozenset({408, 499, 502, 504})
RETRIED_4XX = frozenset({408, 409, 425, 429, 499})
# What a kind means where the status is no help: an error inside an answer of status 200.
TRANSIENT_KINDS = {
    "overloaded_error": "overloaded",
    "rate_limit_error": "rate_limited",
    "rate_limit_exceeded": "rate_limited",
    "api_error": "server_error",
    "server_error": "server_error",
    "timeout_error": "gateway_timeout",
}
PERMANENT_KINDS = frozenset(
    {
        "authentication_error",
        "billing_error",
        "invalid_request_error",
        "not_found_error",
        "permission_error",
        "request_too_large",
    }
)
SHORTEST_KEY = 12
# A limit that time alone does not lift within any delay we would wait.
EXHAUSTED = frozenset(
    {"enforced_spend_limit_reached", "contract_spend_limit_reached", "insufficient_quota"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a failure is, before it is known what the call had consumed. `unsure`: the provider may
    have worked on it, and no word of the bill can be relied on."""

    code: str
    message: str
    transient: bool = False
    unsure: bool = False
    status: int | None = None
    retry_after: float | None = None
    request_id: str | None = None

    def without(self, key: str) -> Verdict:
        """The same, nowhere naming the key."""
        request_id = None if self.request_id is None else hidden(self.request_id, key)
        return replace(self, message=hidden(self.message, key), request_id=request_id)

    def error(self, told: Told) -> ProviderError:
        common: dict[str, Any] = {
            "code": self.code,
            "status": self.status,
            "usage": told.usage,
            "unsure": self.unsure and not told.final,
            "request_id": self.request_id or told.request_id or None,
            "raw": told.text[:RAW_LIMIT],
        }
        message = self.message[:MESSAGE_LIMIT] or self.code
        if self.transient:
            return Transient(message, retry_after=self.retry_after, **common)
        return Permanent(message, **common)


@dataclass(slots=True, kw_only=True)
class Told:
    """What the provider has told so far in one call; filled by the adapter as it reads. `final`:
    the usage is that of the whole answer, and nothing more will be charged."""

    usage: Usage | None = None
    final: bool = False
    request_id: str = ""
    pieces: list[str] = field(default_factory=list)

    def add(self, piece: str) -> None:
        """The SDKs hand on what they were sent, of whatever type it is."""
        if not isinstance(piece, str):
            raise TypeError(f"text of type {type(piece).__name__}")
        self.pieces.append(piece)

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    def without(self, key: str) -> Told:
        """The same, nowhere naming the key."""
        said = hidden(self.text, key)
        return Told(usage=self.usage, request_id=hidden(self.request_id, key), pieces=[said])


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorReply:
    """An error as it stood on the wire. `kind` is the provider's own word for it.

    `error_code` names the cause where one is given; `details` are Google's error details.
    """

    status: int
    kind: str = ""
    error_code: str = ""
    message: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    details: Sequence[Mapping[str, Any]] = ()
    request_id: str | None = None


class Failed(Exception):
    """The adapter has understood the answer, and it is a failure."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.message)
        self.verdict = verdict


def judge(reply: ErrorReply) -> Verdict:
    """Transient or permanent, for an error the provider answered with."""
    code, transient = _meaning(reply)
    return Verdict(
        code=code,
        message=reply.message or f"HTTP status {reply.status}",
        transient=transient,
        unsure=reply.status in UNSURE or reply.status < 300,
        status=reply.status,
        retry_after=retry_after(reply.headers, reply.details) if transient else None,
        request_id=reply.request_id,
    )


def cut_off(message: str) -> Verdict:
    return Verdict(code="cut_off", message=message, transient=True, unsure=True)


def empty_answer() -> Verdict:
    message = "the answer holds no text"
    return Verdict(code="empty_answer", message=message, transient=True, unsure=True)


def unreadable(why: str) -> Verdict:
    return Verdict(code="unreadable_answer", message=why, transient=True, unsure=True)


def disconnected(error: Exception) -> Verdict:
    """A connection that was never made has carried no request."""
    sent = not _in_chain(error, "ConnectError")
    return Verdict(code="connection", message=_told_by(error), transient=True, unsure=sent)


def timed_out(why: str, error: Exception | None = None) -> Verdict:
    sent = error is None or not _in_chain(error, "ConnectTimeout", "PoolTimeout")
    return Verdict(code="timeout", message=why, transient=True, unsure=sent)


def _in_chain(error: BaseException | None, *names: str) -> bool:
    """Whether it, or what it was raised from, is one of these; the SDKs wrap what httpx raises, and
    each has an httpx of its own."""
    while error is not None:
        if type(error).__name__ in names:
            return True
        error = error.__cause__
    return False


def unsupported(what: str) -> Verdict:
    return Verdict(code="unsupported_request", message=f"this provider does not offer {what}")


@asynccontextmanager
async def guarded(
    seconds: float, translate: Callable[[Exception], Verdict | None], key: str = ""
) -> AsyncIterator[Told]:
    """Run one call under a total deadline; whatever it raises leaves as `Transient` or `Permanent`.

    `translate` knows the errors of one SDK; what it does not know is judged here. A provider may
    repeat the `key` it was asked with: an error leaves without it, and without a cause that has it.
    """
    told = Told()
    deadline = asyncio.timeout(seconds)
    try:
        async with deadline:
            yield told
    except Exception as error:
        late = deadline.expired() and isinstance(error, TimeoutError)
        verdict = timed_out(f"no whole answer within {seconds:g} s") if late else None
        failed = (verdict or _verdict(error, translate)).without(key).error(told.without(key))
        if _tells(error, key):
            raise failed from None
        raise failed from error


@contextmanager
def reading() -> Iterator[None]:
    """While an answer is taken apart, a missing or misshapen field means: not readable."""
    try:
        yield
    except (AttributeError, TypeError, LookupError) as error:
        raise Failed(unreadable(f"the answer lacks a field: {_told_by(error)}")) from error


def hidden(text: str, key: str) -> str:
    """The text without the key; what is shorter than any real key is a word like others."""
    return text.replace(key, "[redacted]") if len(key) >= SHORTEST_KEY else text


def _tells(error: Exception, key: str) -> bool:
    told = "".join(traceback.format_exception(error))
    return hidden(told, key) != told


def _verdict(error: Exception, translate: Callable[[Exception], Verdict | None]) -> Verdict:
    if isinstance(error, Failed):
        return error.verdict
    return _unusable_body(error) or translate(error) or _shapeless(error) or _bug(error)


def _unusable_body(error: BaseException | None) -> Verdict | None:
    """Our byte cap may arrive wrapped: anthropic makes a connection error of it."""
    while error is not None:
        if isinstance(error, BodyTooLarge):
            return Verdict(code="too_large", message=str(error), unsure=True)
        if isinstance(error, BodyUnreadable):
            return unreadable(str(error))
        error = error.__cause__
    return None


def _shapeless(error: Exception) -> Verdict | None:
    """How the SDKs fail over an answer of status 200 that is not what they expect."""
    malformed = (json.JSONDecodeError, UnicodeDecodeError, ValidationError, AssertionError)
    if isinstance(error, malformed):
        return unreadable(f"the answer is not readable: {_told_by(error)}")
    return None


def _bug(error: Exception) -> Verdict:
    return Verdict(code=f"bug_{type(error).__name__}", message=_told_by(error), unsure=True)


def _told_by(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _meaning(reply: ErrorReply) -> tuple[str, bool]:
    exhausted = next((told for told in (reply.error_code, reply.kind) if told in EXHAUSTED), "")
    if exhausted:
        return exhausted, False
    if any("PerDay" in quota for quota in _quotas(reply.details)):
        return "daily_quota", False
    if any(detail.get("reason") == "API_KEY_INVALID" for detail in reply.details):
        return "authentication_error", False
    if reply.status < 300:
        return _by_kind(reply.kind)
    return _by_status(reply.status)


def _quotas(details: Sequence[Mapping[str, Any]]) -> list[str]:
    violations = [detail.get("violations") for detail in details]
    found = [item for listed in violations if isinstance(listed, list) for item in listed]
    return [str(item.get("quotaId", "")) for item in found if isinstance(item, dict)]


def _by_kind(kind: str) -> tuple[str, bool]:
    if kind in PERMANENT_KINDS:
        return kind, False
    return TRANSIENT_KINDS.get(kind, kind or "server_error"), True


def _by_status(status: int) -> tuple[str, bool]:
    if status >= 500:
        return CODES.get(status, "server_error"), True
    return CODES.get(status, f"http_{status}"), status in RETRIED_4XX
