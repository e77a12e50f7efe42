"""Every failure has one meaning: a class, a code, and what the call had consumed."""

from __future__ import annotations

import asyncio
import json

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.values import Usage
from shared.errors import Permanent, ProviderError, Transient
from shared.providers.capped import BodyTooLarge, BodyUnreadable
from shared.providers.failures import (
    MESSAGE_LIMIT,
    RAW_LIMIT,
    ErrorReply,
    Failed,
    Told,
    Verdict,
    cut_off,
    disconnected,
    guarded,
    judge,
    reading,
    timed_out,
)

TRANSIENT = {
    408: "request_timeout",
    409: "conflict",
    425: "too_early",
    429: "rate_limited",
    499: "client_closed",
    500: "server_error",
    502: "bad_gateway",
    503: "overloaded",
    504: "gateway_timeout",
    529: "overloaded",
    599: "server_error",
}
PERMANENT = {
    301: "http_301",
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    418: "http_418",
    422: "invalid_request_error",
}


def nothing_known(error: Exception) -> Verdict | None:
    return None


@pytest.mark.parametrize("status", TRANSIENT)
def test_these_statuses_are_worth_another_try(status: int):
    verdict = judge(ErrorReply(status=status, headers={"retry-after": "4"}))
    assert (verdict.code, verdict.transient, verdict.retry_after) == (TRANSIENT[status], True, 4.0)
    assert verdict.status == status


@pytest.mark.parametrize("status", PERMANENT)
def test_these_statuses_are_final(status: int):
    verdict = judge(ErrorReply(status=status, headers={"retry-after": "4"}))
    assert (verdict.code, verdict.transient, verdict.retry_after) == (
        PERMANENT[status],
        False,
        None,
    )


@pytest.mark.parametrize(
    ("kind", "code", "transient"),
    [
        ("overloaded_error", "overloaded", True),
        ("rate_limit_error", "rate_limited", True),
        ("api_error", "server_error", True),
        ("timeout_error", "gateway_timeout", True),
        ("invalid_request_error", "invalid_request_error", False),
        ("authentication_error", "authentication_error", False),
        ("never_heard_of", "never_heard_of", True),
        ("", "server_error", True),
    ],
)
def test_an_error_inside_a_good_answer_is_judged_by_its_kind(
    kind: str, code: str, *, transient: bool
):
    verdict = judge(ErrorReply(status=200, kind=kind))
    assert (verdict.code, verdict.transient) == (code, transient)


@pytest.mark.parametrize(
    "limit", ["enforced_spend_limit_reached", "contract_spend_limit_reached", "insufficient_quota"]
)
def test_a_spent_budget_is_final_although_it_looks_like_a_rate_limit(limit: str):
    reply = ErrorReply(status=429, error_code=limit, headers={"retry-after": "1"})
    verdict = judge(reply)
    assert (verdict.code, verdict.transient, verdict.retry_after) == (limit, False, None)


def test_a_daily_quota_is_final_whatever_delay_is_named():
    quota = {"quotaId": "GenerateRequestsPerDayPerProjectPerModel"}
    details: list[dict[str, object]] = [
        {"violations": [{"quotaId": "PerMinute"}, quota]},
        {"retryDelay": "7s"},
    ]
    verdict = judge(ErrorReply(status=429, details=details))
    assert (verdict.code, verdict.transient) == ("daily_quota", False)


def test_a_quota_per_minute_is_worth_the_delay_it_names():
    details: list[dict[str, object]] = [
        {"violations": [{"quotaId": "PerMinutePerProject"}]},
        {"retryDelay": "7s"},
    ]
    verdict = judge(ErrorReply(status=429, details=details))
    assert (verdict.code, verdict.transient, verdict.retry_after) == ("rate_limited", True, 7.0)


@pytest.mark.parametrize("violations", [None, "PerDay", {}, [None, "PerDay", 7], [[]]])
def test_details_of_another_shape_are_no_quota(violations: object):
    verdict = judge(ErrorReply(status=429, details=[{"violations": violations}]))
    assert verdict.code == "rate_limited"


def test_google_s_word_for_a_bad_key_is_understood():
    verdict = judge(ErrorReply(status=400, details=[{"reason": "API_KEY_INVALID"}]))
    assert (verdict.code, verdict.transient) == ("authentication_error", False)


@given(
    status=st.integers(0, 999),
    kind=st.text(),
    error_code=st.text(),
    details=st.lists(st.dictionaries(st.text(), st.text() | st.lists(st.text()))),
)
def test_no_reply_is_beyond_judgement(
    status: int, kind: str, error_code: str, details: list[dict[str, object]]
):
    reply = ErrorReply(status=status, kind=kind, error_code=error_code, details=details)
    assert judge(reply).code


async def failing_with(error: BaseException) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        async with guarded(5, nothing_known):
            raise error
    assert caught.value.__cause__ is error
    return caught.value


async def test_an_unforeseen_error_is_a_bug_and_final():
    error = await failing_with(ZeroDivisionError("division by zero"))
    assert isinstance(error, Permanent)
    assert error.code == "bug_ZeroDivisionError"


@pytest.mark.parametrize(
    "error",
    [
        json.JSONDecodeError("Expecting value", "", 0),
        AssertionError(),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
        BodyUnreadable("br"),
    ],
)
async def test_an_answer_that_cannot_be_read_is_worth_another_try(error: Exception):
    failed = await failing_with(error)
    assert isinstance(failed, Transient)
    assert failed.code == "unreadable_answer"


async def test_our_own_request_that_cannot_be_written_is_a_bug_not_an_unreadable_answer():
    failed = await failing_with(UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates"))
    assert isinstance(failed, Permanent)
    assert failed.code == "bug_UnicodeEncodeError"


async def test_a_body_over_its_cap_is_final_however_deep_it_is_wrapped():
    wrapped = ConnectionError("wrapped")
    wrapped.__cause__ = OSError("again")
    wrapped.__cause__.__cause__ = BodyTooLarge(10)
    failed = await failing_with(wrapped)
    assert isinstance(failed, Permanent)
    assert failed.code == "too_large"


async def test_the_deadline_ends_a_call_that_never_answers():
    with pytest.raises(Transient) as caught:
        async with guarded(0.01, nothing_known):
            await asyncio.Event().wait()
    assert caught.value.code == "timeout"


async def test_a_time_out_that_is_not_the_deadline_s_is_not_taken_for_it():
    failed = await failing_with(TimeoutError("of something else"))
    assert failed.code == "bug_TimeoutError"


async def test_cancellation_passes_through():
    async def call() -> None:
        async with guarded(5, nothing_known):
            await asyncio.Event().wait()

    task = asyncio.create_task(call())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_failure_keeps_what_the_provider_had_told_by_then():
    usage = Usage(model="m", tokens_in=12)
    with pytest.raises(Transient) as caught:
        async with guarded(5, nothing_known) as told:
            told.usage, told.request_id = usage, "req_1"
            told.pieces += ["Once upon", " a time"]
            raise Failed(cut_off("the answer ended"))
    error = caught.value
    assert (error.usage, error.request_id, error.raw) == (usage, "req_1", "Once upon a time")
    assert str(error) == "the answer ended"


async def test_an_endless_message_and_an_endless_answer_are_kept_short():
    with pytest.raises(Permanent) as caught:
        async with guarded(5, nothing_known) as told:
            told.pieces.append("x" * 1_000_000)
            raise Failed(Verdict(code="refusal", message="y" * 1_000_000))
    assert len(caught.value.raw) == RAW_LIMIT
    assert len(str(caught.value)) == MESSAGE_LIMIT


async def test_what_an_adapter_knows_comes_before_what_is_judged_here():
    with pytest.raises(Transient) as caught:
        async with guarded(5, lambda _: timed_out("read")):
            raise AssertionError
    assert caught.value.code == "timeout"


@pytest.mark.parametrize("error", [AttributeError("x"), TypeError("x"), KeyError("x")])
async def test_an_answer_without_its_fields_is_unreadable(error: Exception):
    with pytest.raises(Transient) as caught:
        async with guarded(5, nothing_known):
            with reading():
                raise error
    assert caught.value.code == "unreadable_answer"


def test_a_failure_without_a_message_is_named_by_its_code():
    assert str(Verdict(code="refusal", message="").error(Told())) == "refusal"


# --- what may have been charged ---------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 429, 500, 503, 529])
def test_who_was_refused_was_charged_nothing(status: int):
    assert not judge(ErrorReply(status=status)).error(Told()).unsure


@pytest.mark.parametrize("status", [408, 499, 502, 504, 200])
def test_who_was_told_by_somebody_on_the_way_may_have_been_charged(status: int):
    assert judge(ErrorReply(status=status)).error(Told()).unsure


def test_an_answer_that_was_cut_off_may_cost_more_than_was_told():
    begun = Usage(model="m", tokens_in=10, tokens_out=1)
    assert cut_off("it ended").error(Told()).unsure
    assert cut_off("it ended").error(Told(usage=begun)).unsure
    assert not cut_off("it ended").error(Told(usage=begun, final=True)).unsure


@pytest.mark.parametrize(
    ("verdict", "unsure"),
    [
        (disconnected(OSError("reset")), True),
        (disconnected(httpx2.ConnectError("refused")), False),
        (timed_out("slow"), True),
        (timed_out("slow", httpx2.ReadTimeout("slow")), True),
        (timed_out("slow", httpx2.ConnectTimeout("slow")), False),
        (timed_out("slow", httpx2.PoolTimeout("slow")), False),
    ],
)
def test_a_request_that_never_left_cost_nothing(verdict: Verdict, unsure: bool):
    assert verdict.error(Told()).unsure == unsure


def test_a_connection_that_an_sdk_wrapped_was_still_never_made():
    wrapped = RuntimeError("wrapped")
    wrapped.__cause__ = httpx2.ConnectError("refused")
    assert not disconnected(wrapped).error(Told()).unsure
