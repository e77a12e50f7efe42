"""Research keeps only what its sources vouch for, and asks once more before it gives up."""

from __future__ import annotations

import pytest

from services.research.stage import research
from shared.domain.values import Source, Stage, Usage
from shared.errors import Permanent, Transient
from shared.providers.port import Answer
from tests.unit.stages.desk import PaperDesk

SOURCES = (Source(number=1, url="https://a.example"), Source(number=2, url="https://b.example"))
DOCUMENT = (
    "# Research: Puppies\n\n## Keywords\n\npuppy training\n\n## Audience\n\nNew owners.\n\n"
    "## Facts and figures\n\n" + "- Puppies sleep about eighteen hours a day[1][2].\n" * 25
)


def answer(text: str, sources: tuple[Source, ...] = SOURCES) -> Answer:
    return Answer(text=text, usage=Usage(model="sonar"), sources=sources)


async def test_a_fenced_document_is_unwrapped_and_its_sources_are_kept():
    desk = PaperDesk({"research": answer(f"```markdown\n{DOCUMENT}\n```\n\nShall I go on?")})
    work = await research(desk)
    assert work.output == DOCUMENT.rstrip() + "\n"
    assert work.sources == SOURCES
    assert work.warnings == ()
    assert work.summary.endswith("2 of 2 sources cited")
    assert desk.asking == ["Asking claude-x for the research"]
    assert desk.asked["research"].search
    assert desk.lines == []


async def test_citations_without_a_source_are_taken_out_with_a_warning():
    work = await research(PaperDesk({"research": answer(DOCUMENT + "\nInvented[9][2, 7].")}))
    assert work.output.endswith("Invented[2].\n")
    assert work.warnings == ("Citations without a source were taken out: [7], [9]",)


async def test_research_without_any_source_says_so():
    work = await research(PaperDesk({"research": answer(DOCUMENT, ())}))
    assert "[1]" not in work.output
    assert "no sources" in work.warnings[0]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("", "only 0 words"),
        ("I'm Perplexity, a search assistant, and I cannot create articles.", "declined"),
        ("Puppies are lovely. " * 100, "lacks the sections"),
        ("# Research\n\n## Keywords\n\n## Audience\n\nShort.", "only"),
    ],
)
async def test_an_unusable_answer_is_asked_for_once_more_saying_why(bad, why):
    desk = PaperDesk({"research": answer(bad), "research-again": answer(DOCUMENT)})
    work = await research(desk)
    assert work.output.startswith("# Research")
    assert why in desk.lines[0].message
    assert desk.lines[0].level == "warning"
    assert why in desk.asked["research-again"].prompt
    assert desk.asked["research"].digest() != desk.asked["research-again"].digest()


async def test_two_refusals_are_a_failure_that_shows_the_answer():
    refusal = answer("I cannot help with that. " * 100)
    desk = PaperDesk({"research": refusal, "research-again": refusal})
    with pytest.raises(Permanent) as failed:
        await research(desk)
    assert failed.value.code == "unusable_answer"
    assert failed.value.raw == refusal.text[:500]
    assert list(desk.asked) == ["research", "research-again"]


async def test_a_failed_call_is_nobody_elses_to_judge():
    with pytest.raises(Transient):
        await research(PaperDesk({"research": Transient("429", code="rate_limited")}))


async def test_a_reviewers_note_comes_with_the_document_it_is_about():
    desk = PaperDesk({"research": answer(DOCUMENT)}, {Stage.RESEARCH: "The old one."}, note="More!")
    await research(desk)
    assert "<<<PREVIOUS\nThe old one.\nPREVIOUS>>>" in desk.asked["research"].prompt
    assert "<<<NOTE\nMore!\nNOTE>>>" in desk.asked["research"].prompt


async def test_a_refusing_sentence_before_a_real_document_is_no_refusal():
    text = f"I cannot create files, but here is the research document:\n\n{DOCUMENT}"
    assert "Keywords" in (await research(PaperDesk({"research": answer(text)}))).output


async def test_an_endless_answer_is_no_answer():
    endless = answer(DOCUMENT + "ω" * 250_000)
    desk = PaperDesk({"research": endless, "research-again": answer(DOCUMENT)})
    assert (await research(desk)).output == DOCUMENT.rstrip() + "\n"
    assert "bytes" in desk.lines[0].message
