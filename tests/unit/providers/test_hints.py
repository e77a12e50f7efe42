"""A provider's hint is understood in every spelling it has, and bounded whatever it says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.providers.hints import LONGEST, retry_after

NOW = "Mon, 23 Nov 2026 12:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"Retry-After": " 2.5 "}, 2.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after": "Mon, 23 Nov 2026 12:00:05 GMT", "date": NOW}, 5.0),
        ({"retry-after": "Mon, 23 Nov 2026 14:00:05 +0200", "date": NOW}, 5.0),
        ({"retry-after": "Mon, 23 Nov 2026 11:00:00 GMT", "date": NOW}, 0.0),
        ({"retry-after": "Wed, 23 Dec 2026 12:00:00 GMT", "date": NOW}, LONGEST),
        ({"retry-after": "-5"}, 0.0),
        ({"retry-after": "1e99"}, LONGEST),
        ({"retry-after": "inf"}, LONGEST),
        ({"retry-after": "nan"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "tomorrow"}, None),
        ({"retry-after": "Mon, 23 Nov 2026 12:00:05 GMT"}, None),
        ({"retry-after": "Mon, 23 Nov 2026 12:00:05 -0000", "date": NOW}, None),
        ({"retry-after": "Mon, 99 Nov 2026 12:00:05 GMT", "date": NOW}, None),
        ({}, None),
    ],
)
def test_headers_tell_when_to_come_back(headers: dict[str, str], seconds: float | None):
    assert retry_after(headers) == seconds


@pytest.mark.parametrize(
    ("delay", "seconds"),
    [
        ("7s", 7.0),
        ("0.25s", 0.25),
        ("86400s", LONGEST),
        ("7", None),
        ("-7s", None),
        ("", None),
        (None, None),
        ({"seconds": 7}, None),
    ],
)
def test_google_tells_it_in_the_details(delay: object, seconds: float | None):
    details: list[dict[str, object]] = [
        {"@type": "type.googleapis.com/google.rpc.Help"},
        {"retryDelay": delay},
    ]
    assert retry_after({}, details) == seconds


def test_the_longest_of_google_s_delays_counts():
    assert retry_after({}, [{"retryDelay": "7s"}, {"retryDelay": "30s"}]) == 30.0


def test_a_header_comes_before_the_details():
    assert retry_after({"retry-after": "3"}, [{"retryDelay": "30s"}]) == 3.0


@given(st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", "date"]), st.text()))
def test_no_hint_breaks_it_or_leaves_its_bounds(headers: dict[str, str]):
    seconds = retry_after(headers)
    assert seconds is None or 0 <= seconds <= LONGEST
