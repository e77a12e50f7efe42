"""One picture is made anew; the others keep their entries, and nothing else is asked of a model."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from PIL import Image

from services.images.stage import images
from shared.content.illustrations import NoImage, NoManifest, described, image, read, replaced
from shared.domain.values import PostConfig, Redo, Stage
from shared.errors import Permanent, Transient
from tests.unit.stages.desk import PaperDesk


def png(colour: int = 99) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 30), colour).save(out, "PNG")
    return out.getvalue()


def entry(number: int, **more: object) -> dict[str, Any]:
    return {
        "index": number,
        "type": "featured" if number == 1 else "content",
        "prompt": f"A brown dog on hill number {number}",
        "negative_prompt": "cats",
        "alt_text": f"Dog {number}",
        "ratio": "16:9" if number == 1 else "4:5",
        "size": "2K" if number == 1 else "1K",
        "placement": {"location": "after_heading", "after_section": "Play"},
        "filename": f"old-{number}.webp",
        "generated": True,
        "blob": {"name": f"p/{number}", "digest": "d", "size": 1, "media_type": "image/webp"},
        **more,
    }


def failed(number: int) -> dict[str, Any]:
    return entry(number, generated=False, filename="", error="timeout", blob=None)


def manifest(*entries: dict[str, Any], **more: object) -> str:
    return json.dumps({"style_brief": {"mood": "calm"}, "images": list(entries), **more})


def desk(redo: Redo, text: str, **answers: Any) -> PaperDesk:
    config = PostConfig(topic="Puppies", slug="puppies", word_count=900)
    return PaperDesk(answers, {Stage.IMAGES: text}, config=config, redo=redo)


async def test_only_the_wanted_picture_is_asked_for_and_replaced() -> None:
    before = manifest(entry(1), entry(2), entry(3))
    paper = desk(Redo(image=2), before, **{"image-2": png()})
    made = json.loads((await images(paper)).output)
    assert list(paper.asked) == ["image-2"]
    assert [made["images"][0], made["images"][2]] == [entry(1), entry(3)]
    assert made["images"][1]["filename"].startswith("puppies-2-")
    assert made["images"][1]["blob"]["digest"] in paper.kept


async def test_it_is_asked_as_before_in_ratio_size_style_and_prompt() -> None:
    paper = desk(Redo(image=2), manifest(entry(1), entry(2)), **{"image-2": png()})
    await images(paper)
    request = paper.asked["image-2"]
    assert (request.ratio, request.size) == ("4:5", "1K")
    assert "hill number 2" in request.prompt
    assert "Mood: calm" in request.prompt


async def test_a_new_prompt_and_alt_text_take_the_place_of_the_old_ones() -> None:
    wish = Redo(image=1, prompt="A cat in the rain", alt="A wet cat")
    paper = desk(wish, manifest(entry(1)), **{"image-1": png()})
    made = json.loads((await images(paper)).output)["images"][0]
    assert (made["prompt"], made["alt_text"]) == ("A cat in the rain", "A wet cat")
    assert "A cat in the rain" in paper.asked["image-1"].prompt


async def test_a_picture_that_had_failed_is_counted_as_made() -> None:
    told = ["2 of 3 images failed", "moved"]
    text = manifest(entry(1), failed(2), failed(3), total_failed=2, warnings=told)
    work = await images(desk(Redo(image=3), text, **{"image-3": png()}))
    made = json.loads(work.output)
    assert (made["total_generated"], made["total_failed"]) == (2, 1)
    assert made["warnings"] == ["moved", "1 of 3 images failed"]
    assert work.warnings == ("moved", "1 of 3 images failed")
    assert "error" not in made["images"][2]


@pytest.mark.parametrize(
    "answer", [Transient("away", code="timeout"), Permanent("no", code="refusal"), b"not a picture"]
)
async def test_a_picture_that_cannot_be_made_fails_the_run_and_changes_nothing(answer: Any) -> None:
    with pytest.raises((Transient, Permanent)):
        await images(desk(Redo(image=1), manifest(entry(1)), **{"image-1": answer}))


@pytest.mark.parametrize(
    "text",
    ["", "not json", "[]", '{"images": 3}', '{"images": []}', '{"images": ["x"]}', "[" * 9999],
)
async def test_without_a_readable_entry_nothing_is_paid(text: str) -> None:
    paper = desk(Redo(image=1), text)
    with pytest.raises(Permanent):
        await images(paper)
    assert paper.asked == {}


async def test_an_entry_without_a_prompt_needs_a_new_one() -> None:
    bare = manifest({"index": 1, "generated": False})
    with pytest.raises(Permanent):
        await images(desk(Redo(image=1), bare))
    paper = desk(Redo(image=1, prompt="A dog"), bare, **{"image-1": png()})
    assert json.loads((await images(paper)).output)["images"][0]["generated"] is True


@pytest.mark.parametrize("number", [-1, 0, 3, 10**9])
def test_a_number_beyond_the_images_names_none(number: int) -> None:
    with pytest.raises(NoImage):
        image(read(manifest(entry(1), entry(2))), number)


def test_a_change_leaves_the_manifest_it_was_made_from_alone() -> None:
    before = read(manifest(entry(1), entry(2)))
    assert described(before, 2, "new")["images"][1]["alt_text"] == "new"
    assert replaced(before, 1, {"generated": False})["total_failed"] == 1
    assert before == read(manifest(entry(1), entry(2)))


@pytest.mark.parametrize("text", ["", "1", '"x"', "null", "{}", '{"images": {}}'])
def test_what_is_no_manifest_is_said_to_be_none(text: str) -> None:
    with pytest.raises(NoManifest):
        read(text)
