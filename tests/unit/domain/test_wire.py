"""Every fact survives the wire, and whatever else lies there is refused by name."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from shared.domain import events as e
from shared.domain.events import FACTS
from shared.domain.upcast import decode, encode
from shared.domain.values import Metrics, Stage
from shared.errors import Malformed, TooNew
from shared.testing import NOW, POST
from shared.testing.arbitrary import facts
from shared.testing.histories import law

each_kind = pytest.mark.parametrize("kind", sorted(FACTS))
brief = settings(law, max_examples=8)


def line(**data: str | float | bool | None) -> e.Progressed:
    return e.Progressed(post_id=POST, at=NOW, stage=Stage.EDIT, run=3, message="a line", data=data)


def test_every_class_of_fact_is_known_by_its_type():
    assert len(FACTS) == 33
    for kind, fact in FACTS.items():
        assert fact.model_fields["type"].default == kind
        assert fact.EVENT
        assert fact.VERSION >= 1


@each_kind
@brief
@given(data=st.data())
def test_every_fact_survives_the_wire(kind: str, data: st.DataObject):
    fact = data.draw(facts(kind))
    again = decode(kind, FACTS[kind].VERSION, encode(fact))
    assert again == fact
    assert encode(again) == encode(fact)


@each_kind
@brief
@given(data=st.data())
def test_a_stored_fact_names_every_field(kind: str, data: st.DataObject):
    stored = json.loads(encode(data.draw(facts(kind))))
    assert stored.keys() == FACTS[kind].model_fields.keys()


@each_kind
@brief
@given(fact=facts())
def test_a_fact_is_read_as_no_other_kind(kind: str, fact: e.PostEvent):
    if fact.type != kind:
        with pytest.raises(Malformed):
            decode(kind, FACTS[kind].VERSION, encode(fact))


@each_kind
def test_a_fact_cannot_be_changed(kind: str):
    assert FACTS[kind].model_config["frozen"]
    assert FACTS[kind].model_config["extra"] == "forbid"


@law
@given(
    kind=st.sampled_from(sorted(FACTS)) | st.text(), version=st.integers(-3, 4), data=st.binary()
)
def test_arbitrary_bytes_are_malformed_or_too_new(kind: str, version: int, data: bytes):
    with pytest.raises((Malformed, TooNew)):
        decode(kind, version, data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@law
@given(fact=facts(), name=st.data(), junk=JSON)
def test_a_fact_with_one_field_spoilt_is_malformed_or_a_fact(
    fact: e.PostEvent, name: st.DataObject, junk: object
):
    stored = json.loads(encode(fact))
    stored[name.draw(st.sampled_from(sorted(stored)))] = junk
    try:
        assert decode(fact.type, fact.VERSION, json.dumps(stored).encode()).type == fact.type
    except Malformed:
        return


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'"text"',
        b"{" * 50_000,
        b"[" * 200_000,
        b"\xff\xfe",
        b"\x00",
        b"9" * 10_000,
        encode(line())[:-1],
        encode(line()) + encode(line()),
    ],
    ids=lambda data: repr(data[:12]),
)
def test_what_is_no_fact_is_malformed(data: bytes):
    with pytest.raises(Malformed):
        decode("progressed", 1, data)


def test_a_field_nobody_knows_is_malformed():
    stored = json.loads(encode(line())) | {"newer": 1}
    with pytest.raises(Malformed, match="newer"):
        decode("progressed", 1, json.dumps(stored).encode())


def test_a_time_without_a_zone_is_malformed():
    stored = json.loads(encode(line())) | {"at": "2026-01-01T12:00:00"}
    with pytest.raises(Malformed, match="at"):
        decode("progressed", 1, json.dumps(stored).encode())


@pytest.mark.parametrize(("kind", "version"), [("progressed", 2), ("post-archived", 1), ("", 1)])
def test_what_newer_code_may_know_is_too_new(kind: str, version: int):
    with pytest.raises(TooNew):
        decode(kind, version, encode(line()))


@pytest.mark.parametrize("version", [0, -1])
def test_no_fact_has_a_version_below_one(version: int):
    with pytest.raises(Malformed):
        decode("progressed", version, encode(line()))


def test_the_error_says_what_is_wrong_and_repeats_nothing_of_the_input():
    secret = "a secret " * 10_000
    stored = json.loads(encode(line())) | {"run": secret, secret: 1}
    with pytest.raises(Malformed) as caught:
        decode("progressed", 1, json.dumps(stored).encode())
    assert "run" in str(caught.value)
    assert len(str(caught.value)) < 500


def test_the_error_for_an_unknown_field_is_brief_however_long_its_name_is():
    stored = json.loads(encode(line())) | {"k" * 100_000: 1}
    with pytest.raises(Malformed) as caught:
        decode("progressed", 1, json.dumps(stored).encode())
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_json_does_not_know_is_refused_where_it_enters(number: float):
    with pytest.raises(ValidationError):
        line(share=number)
    with pytest.raises(ValidationError):
        Metrics(model="m", tokens_in=1, tokens_out=1, duration_s=number, cost_usd=0)
    with pytest.raises(ValidationError):
        e.BudgetExceeded(
            post_id=POST,
            at=NOW,
            stage=Stage.EDIT,
            run=3,
            scope="day",
            needed_usd=number,
            left_usd=0,
        )


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.booleans() | st.none()))
@law
def test_the_data_of_a_line_keep_their_types(data: dict[str, str | int | bool | None]):
    again = decode("progressed", 1, encode(line(**data)))
    assert isinstance(again, e.Progressed)
    assert [(key, type(each), each) for key, each in again.data.items()] == [
        (key, type(each), each) for key, each in data.items()
    ]
