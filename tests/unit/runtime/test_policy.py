"""Waits between the tries of a call: as long as the provider asks for, and never none at all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.runtime.policy import Policy

tries = st.integers(1, 20)
jitters = st.floats(0, 1, exclude_max=True)


@given(tries, st.floats(0, 3600), jitters)
def test_no_wait_is_shorter_than_the_provider_asked_for(number, hint, jitter):
    assert Policy().wait(number, hint, jitter) >= hint


@given(tries, jitters)
def test_without_a_word_from_the_provider_there_is_a_wait_all_the_same(number, jitter):
    assert 0.5 <= Policy().wait(number, None, jitter) <= Policy().backoff_cap


@pytest.mark.parametrize(("number", "wait"), [(1, 0.5), (2, 1.0), (3, 2.0), (6, 15.0), (20, 15.0)])
def test_the_waits_double_up_to_their_cap(number, wait):
    assert Policy().wait(number, None, 0.0) == wait


def test_a_wait_beyond_all_reason_is_cut():
    assert Policy().wait(1, 1e9, 0.0) == Policy().longest_hint
