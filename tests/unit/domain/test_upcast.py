"""Whatever was stored once can be read for ever: an example of every version proves it."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import pytest

from shared.domain.events import FACTS, Fact
from shared.domain.subjects import MAIN, PostRef, check_place, place_of, subject_of
from shared.domain.upcast import UPCASTS, Raw, Steps, decode, encode
from shared.errors import Malformed, TooNew
from shared.testing import NOW, POST

VERSIONS = Path(__file__).parent / "versions"
EXAMPLES = sorted(VERSIONS.glob("*.v*.json"))
each_kind = pytest.mark.parametrize("kind", sorted(FACTS))
each_example = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)


def book(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((VERSIONS / name).read_text(encoding="utf-8"))
    return found


def read(path: Path) -> Fact:
    kind, _, version = path.stem.rpartition(".v")
    return decode(kind, int(version), path.read_bytes())


def shape_of(fact: type[Fact]) -> str:
    """The digest of what a fact looks like, without the words that explain it."""
    plain = json.dumps(_bare(fact.model_json_schema()), sort_keys=True)
    return sha256(plain.encode()).hexdigest()


def _bare(schema: object) -> object:
    if isinstance(schema, list):
        return [_bare(each) for each in schema]
    if isinstance(schema, dict):
        return {
            key: _bare(value)
            for key, value in schema.items()
            if not (key in ("title", "description") and isinstance(value, str))
        }
    return schema


# --- what was stored --------------------------------------------------------------------------


@each_kind
def test_every_version_of_every_fact_has_a_stored_example(kind: str):
    names = {f"{kind}.v{version}" for version in range(1, FACTS[kind].VERSION + 1)}
    assert names == {path.stem for path in EXAMPLES if path.stem.rpartition(".v")[0] == kind}


@each_example
def test_a_stored_example_means_what_it_always_meant(path: Path):
    fact = read(path)
    assert json.loads(encode(fact)) == book("meanings.json")[path.stem]
    assert f"{type(fact).__name__}" == book("meanings.json")[path.stem + ":class"]


@each_example
def test_a_stored_example_still_has_its_place_in_the_log(path: Path):
    fact = read(path)
    subject = subject_of(PostRef(MAIN, fact.post_id), fact, 5)
    check_place(fact, place_of(subject), subject)
    assert subject == book("places.json")[path.stem]


@each_example
def test_an_example_of_today_leaves_no_field_out(path: Path):
    fact = read(path)
    if path.stem.endswith(f".v{fact.VERSION}"):
        assert json.loads(path.read_bytes()).keys() == type(fact).model_fields.keys()


@each_kind
def test_a_shape_does_not_change_without_a_new_version(kind: str):
    """When this fails: raise VERSION, write the upcast, then run `versions/write_examples.py`."""
    shape = book("shapes.json").get(f"{kind}.v{FACTS[kind].VERSION}")
    assert shape == shape_of(FACTS[kind])


def test_a_changed_shape_is_noticed():
    class Before(Fact):
        EVENT = "x"
        words: int

    class After(Fact):
        EVENT = "x"
        words: int = 0

    class Described(Fact):
        """The same, explained."""

        EVENT = "x"
        words: int

    assert shape_of(Before) != shape_of(After)
    assert shape_of(Before) == shape_of(Described)


def test_there_is_one_step_for_every_version_that_is_not_today_s():
    old = {(kind, v) for kind, fact in FACTS.items() for v in range(1, fact.VERSION)}
    assert set(UPCASTS) == old


# --- how it is lifted -------------------------------------------------------------------------


class Invented(Fact):
    """In version 1 it had a `text`; in version 2 `words`; since version 3 it knows the `unit`."""

    EVENT = "invented"
    VERSION = 3
    type: Literal["invented"] = "invented"
    words: int
    unit: str


def count_words(raw: Raw) -> Raw:
    return {key: value for key, value in raw.items() if key != "text"} | {
        "words": len(raw["text"].split())
    }


def name_the_unit(raw: Raw) -> Raw:
    return raw | {"unit": "words"}


STEPS: Steps = {("invented", 1): count_words, ("invented", 2): name_the_unit}
LIFTED = Invented(post_id=POST, at=NOW, words=3, unit="words")


@pytest.fixture
def _invented(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FACTS, "invented", Invented)


def stored(**fields: object) -> bytes:
    return json.dumps({"post_id": str(POST), "at": NOW.isoformat(), **fields}).encode()


@pytest.mark.usefixtures("_invented")
@pytest.mark.parametrize(
    ("version", "data"),
    [
        (1, stored(text="one two three")),
        (2, stored(words=3)),
        (3, stored(words=3, unit="words")),
    ],
)
def test_every_old_version_is_lifted_step_by_step_to_today_s(version: int, data: bytes):
    lifted: Fact = decode("invented", version, data, STEPS)
    assert lifted == LIFTED


@pytest.mark.usefixtures("_invented")
@pytest.mark.parametrize(
    ("version", "data"),
    [
        (1, stored(words=3)),
        (1, stored(text=3)),
        (1, stored(text=None)),
        (2, stored(text="one two three")),
        (3, stored(words=3)),
        (2, b"[]"),
        (1, b'"text"'),
        (1, b"null"),
        (1, b"not json"),
        (1, b"\xff"),
        (1, b"[" * 100_000),
        (0, stored(text="one")),
    ],
)
def test_what_cannot_be_lifted_is_malformed(version: int, data: bytes):
    with pytest.raises(Malformed):
        decode("invented", version, data, STEPS)


@pytest.mark.usefixtures("_invented")
def test_a_missing_step_is_malformed_and_a_newer_version_is_too_new():
    with pytest.raises(Malformed):
        decode("invented", 1, stored(text="one"), {("invented", 2): name_the_unit})
    with pytest.raises(TooNew):
        decode("invented", 4, stored(words=3, unit="words"), STEPS)
