"""The documents read like the real ones: their shape, their length, and what they must not hold."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.simulator import answers
from shared.simulator.answers import edit, outline
from shared.simulator.answers.schema import conform
from shared.simulator.answers.sources import found
from shared.simulator.answers.subject import subject
from shared.simulator.brief import Question
from shared.simulator.chance import Chance

if TYPE_CHECKING:
    from shared.domain.values import Provider

ITEM = {
    "type": "object",
    "properties": {
        "type": {"enum": ["featured", "content"]},
        "prompt": {"type": "string"},
        "alt_text": {"type": "string"},
        "aspect_ratio": {"type": "string"},
        "placement": {
            "type": "object",
            "properties": {"after_section": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
        },
    },
}
MANIFEST: dict[str, Any] = {
    "type": "object",
    "properties": {"images": {"type": "array", "items": {"$ref": "#/$defs/Item"}}},
    "$defs": {"Item": ITEM},
}
ARTICLE = (
    "# Bread\n\nIntro.\n\n## Mix It\n\nText.\n\n```\n## not this\n```\n\n## Bake It\n\nText.\n"
)


def ask(
    task: str,
    topic: str = "How to Bake Bread",
    words: int = 1_200,
    model: str = "m",
    schema: dict[str, Any] | None = None,
    **blocks: str,
) -> str:
    held = "\n".join(f"<<<{name}\n{text}\n{name}>>>" for name, text in blocks.items())
    told = f"Task: {task}\nTopic: {topic}\nWord count: {words}\nToday: 2026-05-01\n\n{held}"
    provider: Provider = "perplexity" if task == "research" else "claude"
    return answers.text(Question(provider=provider, model=model, told=told, schema=schema))


def test_equal_prompts_get_equal_documents_and_other_models_others() -> None:
    assert ask("write") == ask("write")
    assert ask("write") != ask("write", model="n")
    assert ask("research") == ask("research")


def test_research_is_fenced_and_cites_only_sources_that_exist() -> None:
    document = ask("research")
    assert document.startswith("```markdown\n# ")
    assert document.endswith("\n```")
    question = Question(
        provider="perplexity", model="m", told="Task: research\nTopic: How to Bake Bread"
    )
    sources = found(question.brief)
    cited = {int(number) for number in re.findall(r"\[(\d+)\]", document)}
    assert 8 <= len(sources) <= 15
    assert cited
    assert max(cited) <= len(sources)
    hosts = {source.url.split("/")[2] for source in sources}
    assert all(host.endswith(("example.com", "example.org")) for host in hosts)
    assert len(document.split()) > 600


def test_the_outline_starts_with_its_title_and_plans_the_words() -> None:
    document = ask("outline", words=2_000)
    assert document.startswith("# ")
    targets = [int(told) for told in re.findall(r"\(~(\d+) words\)", document)]
    assert abs(sum(targets) - 2_000) < 200
    assert len(outline.headings(document)) == outline.sections(2_000)


@pytest.mark.parametrize("words", [300, 1_200, 2_500, 4_000])
def test_the_draft_has_about_the_asked_length(words: int) -> None:
    drafts = [ask("write", words=words, model=str(number)) for number in range(6)]
    for draft in drafts:
        assert abs(len(edit.tidy(draft).split()) - words) < max(90, words * 0.12)
    assert {"<file_write" in draft for draft in drafts} == {True, False}


def test_the_draft_follows_the_outline_and_links_the_given_pages() -> None:
    plan = "# T\n\n## H2: Mix It (~200 words)\n\n## H2: Bake It (~200 words)\n"
    draft = ask(
        "write", OUTLINE=plan, SOURCES="1. https://example.org/a.\n2. <https://example.com/b>"
    )
    assert re.findall(r"^## (.+)$", draft, re.MULTILINE)[:2] == ["Mix It", "Bake It"]
    assert set(re.findall(r"\]\((.+?)\)", draft)) == {
        "https://example.org/a",
        "https://example.com/b",
    }


def test_a_draft_of_usual_length_says_hardly_anything_twice() -> None:
    text = edit.tidy(ask("write", words=2_000))
    sentences = [line for line in re.split(r"(?<=[.!?])\s+", text) if len(line.split()) > 6]
    assert len(set(sentences)) >= 0.97 * len(sentences)


def test_the_edited_article_is_the_draft_without_its_clutter() -> None:
    draft = (
        'Here you are.\n\n<file_write file="d.md">\n# Bread\n\nA \u2014 b.\n\n---\n\n[IMAGE: x]\n\n'
        "## Bake\n\nText.\n<!-- notes -->\n</file_write>\n\nDone."
    )
    document = ask("edit", DRAFT=draft)
    assert document.startswith('```markdown\n---\ntitle: "Bread"\n')
    assert document.endswith("-->\n```")
    assert "A, b." in document
    assert "## Bake\n\nText.\n\n<!--" in document
    assert not re.search("\u2014|IMAGE|file_write|Here you are|Done", document)


@pytest.mark.parametrize("doing", ["bees", "training a puppy", "x" * 70, "a" * 160])
def test_a_description_has_the_length_search_engines_show(doing: str) -> None:
    assert 150 <= len(edit.description(doing)) <= 160 or len(doing) > 100


@pytest.mark.parametrize(
    ("words", "content"), [(1_499, 3), (1_500, 4), (2_000, 5), (2_500, 6), (3_000, 7)]
)
def test_the_manifest_fits_the_article(words: int, content: int) -> None:
    images = json.loads(ask("images", words=words, schema=MANIFEST, ARTICLE=ARTICLE))["images"]
    assert [image["type"] for image in images] == ["featured"] + ["content"] * content
    assert images[0]["placement"]["after_section"] is None
    placed = {image["placement"]["after_section"] for image in images[1:]}
    assert placed == {"Mix It", "Bake It"}
    assert all(len(image["prompt"].split()) >= 60 for image in images)
    assert all("How to Bake Bread" in image["prompt"] for image in images)
    assert all(0 < len(image["alt_text"]) < 125 for image in images)
    assert len({image["prompt"] for image in images}) == len(images)


def test_a_primary_keyword_stands_where_search_engines_look() -> None:
    question = Question(
        provider="claude",
        model="m",
        told="Task: write\nTopic: How to Bake Bread\nPrimary keyword: sourdough at home",
    )
    draft = edit.tidy(answers.text(question))
    assert "sourdough at home" in " ".join(draft.split()[:100]).lower()
    assert re.search("^## .*sourdough at home", draft, re.MULTILINE)


def test_front_matter_comes_from_the_article() -> None:
    schema = {
        "type": "object",
        "properties": {
            "title": {"type": "string"},
            "description": {"type": "string"},
            "category": {"type": "string"},
            "tags": {"type": "array", "items": {"type": "string"}},
        },
    }
    told = json.loads(ask("ready", schema=schema, ARTICLE=ARTICLE))
    assert told["title"] == "Bread"
    assert 150 <= len(told["description"]) <= 160
    assert told["category"]


@pytest.mark.parametrize(
    ("topic", "doing"),
    [
        ("How to Train a Puppy", "training a puppy"),
        ("How to choose a CRM", "choosing a CRM"),
        ("how to run a marathon", "running a marathon"),
        ("The Complete Guide to Espresso Machines", "espresso machines"),
        ("What is Event Sourcing?", "event sourcing"),
        ("Tie a bow tie", "Tie a bow tie"),
        ("How to", "How to"),
        ("???", "the subject"),
    ],
)
def test_a_topic_becomes_a_phrase(topic: str, doing: str) -> None:
    assert subject(topic).doing == doing


TASKS = ("research", "outline", "write", "edit", "images", "ready")


@settings(max_examples=40, deadline=None)
@given(topic=st.text(max_size=300), material=st.text(max_size=2_000), task=st.sampled_from(TASKS))
def test_any_topic_and_material_give_a_document(topic: str, material: str, task: str) -> None:
    schema = MANIFEST if task in ("images", "ready") else None
    names = dict.fromkeys(("RESEARCH", "OUTLINE", "DRAFT", "ARTICLE", "MANIFEST"), material)
    document = ask(task, topic, 300, "m", schema, **names)
    assert document
    assert "[[sim:" not in document


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "piece",
    [
        "<!--",
        "<file_write >\n",
        "[IMAGE:",
        "# ",
        "---",
        "```",
        "https://",
        "{",
        " ",
        "](",
        "## H2: a\n",
    ],
)
def test_a_megabyte_of_hostile_material_takes_linear_time(piece: str) -> None:
    material = piece * (1_000_000 // len(piece))
    names = dict.fromkeys(("RESEARCH", "OUTLINE", "DRAFT", "ARTICLE", "MANIFEST"), material)
    for task in TASKS:
        schema = MANIFEST if task in ("images", "ready") else None
        assert ask(task, "How to Bake Bread", 1_200, "m", schema, **names)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "object"}, {}),
        ({"type": "object", "properties": 5}, {}),
        ({"$ref": "#/$defs/Loop", "$defs": {"Loop": {"$ref": "#/$defs/Loop"}}}, None),
        ({"$ref": "#/nowhere"}, None),
        ({"const": 4}, 4),
        ({"enum": ["only"]}, "only"),
        ({"anyOf": [{"type": "null"}, {"type": "string"}]}, None),
        ({"type": ["integer", "null"], "minimum": 3}, 3),
        ({"type": "array", "items": {"type": "boolean"}, "maxItems": 1}, [True]),
        ({"type": "array", "items": {"const": 1}, "minItems": 3}, [1, 1, 1]),
        ({"type": "array"}, [None, None]),
    ],
)
def test_a_schema_is_filled_without_help(schema: dict[str, Any], value: object) -> None:
    assert conform(None, schema, Chance("seed")) == value


def test_a_schema_without_an_end_is_filled_to_a_bounded_depth() -> None:
    loop = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}
    assert conform(None, {**loop, "$defs": {"Node": loop}}, Chance("seed"))
