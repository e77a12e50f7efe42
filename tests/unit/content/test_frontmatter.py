"""Front matter that is written can be read again, and nothing in it is more than text."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.content.frontmatter import emit, split

keys = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,20}", fullmatch=True)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
values = st.one_of(texts, st.booleans(), st.lists(texts, max_size=4).map(tuple))


@given(st.dictionaries(keys, values, min_size=1, max_size=8))
def test_what_is_emitted_is_read_back_equal(fields):
    assert split(f"{emit(fields)}\n\nThe text.") == (fields, "The text.")


@given(st.dictionaries(keys, texts, min_size=1, max_size=8))
def test_every_value_stays_on_its_own_line(fields):
    assert len(emit(fields).splitlines()) == len(fields) + 2


def test_a_value_cannot_break_out_of_its_line():
    written = emit({"title": 'A "quote"\n---\npublished: true\u2028!!python/object', "n": "yes"})
    assert written.split("\n")[0] == written.split("\n")[-1] == "---"
    assert written.count("\n") == 3
    assert json.loads(written.split("\n")[1].partition(": ")[2]).startswith('A "quote"\n---')


def test_the_forms_people_write_are_read():
    text = (
        "---\ntitle: A: plain one\nshort: 'it''s'\ntags:\n  - dogs\n  - \"cats\"\nlist: [a, 'b']\n"
    )
    text += "# a comment\n\nlong: >\n  two\n  lines\ndraft: false\n---\nBody"
    fields, body = split(text)
    assert body == "Body"
    assert fields == {
        "title": "A: plain one",
        "short": "it's",
        "tags": ("dogs", "cats"),
        "list": ("a", "b"),
        "long": "two lines",
        "draft": False,
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "---",
        "---\n---\ntext",
        "---\ntitle: never closed\n\ntext",
        "---\nJust prose between rules.\n---\ntext",
        "text\n---\ntitle: x\n---",
        "---\n: no key\n---\n",
        "---\n" + "a: b\n" * 500 + "---\n",
    ],
)
def test_what_is_no_front_matter_stays_in_the_text(text):
    assert split(text) == ({}, text)


def test_tags_that_would_execute_elsewhere_are_only_text():
    fields, _ = split("---\nx: !!python/object/apply:os.system ['id']\n---\n")
    assert fields == {"x": "!!python/object/apply:os.system ['id']"}


@given(st.text(max_size=200))
def test_any_text_at_all_can_be_split(text):
    fields, body = split(f"---\n{text}")
    assert fields or body == f"---\n{text}"
