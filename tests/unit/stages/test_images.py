"""Images: a plan from any answer that holds one, three pictures at a time, each failing alone."""

from __future__ import annotations

import asyncio
import io
import json
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from services.images.manifest import Fault, content_images, parse, plan
from services.images.sections import placed
from services.images.stage import images
from shared.content.pictures import file_name, to_webp
from shared.domain.values import ModelSettings, PostConfig, Stage
from shared.errors import Permanent, Transient
from shared.providers.port import Answer
from tests.unit.stages.desk import PaperDesk

ARTICLE = (
    "# Puppies\n\nHello.\n\n## Sleep & Rest\n\nText.\n\n"
    "## What to **Feed**\n\nText.\n\n## Play\n\nT."
)
SCENE = "A small brown dog asleep on a blue blanket by a window"


def image(
    type_: str = "content", section: str | None = "Play", **more: object
) -> dict[str, object]:
    place = {"location": "after_heading", "after_section": section}
    return {"type": type_, "prompt": SCENE, "alt_text": "A dog", "placement": place, **more}


def manifest(*planned: dict[str, object], **more: object) -> str:
    style = {"overall_style": "flat", "color_palette": ["#123456"], "negative_prompt": "no cats"}
    return json.dumps({"style_brief": style, "images": list(planned), **more})


FULL = (image("featured", None), image(section="Sleep & Rest"), image(), image())


def png(width: int = 40, height: int = 30, mode: str = "RGB") -> bytes:
    out = io.BytesIO()
    Image.new(mode, (width, height), 99).save(out, "PNG")
    return out.getvalue()


def bomb(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 999)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def desk_with(answers: dict[str, object], **config: object) -> PaperDesk:
    pictures = {f"image-{number}": png() for number in range(1, 9)}
    return PaperDesk(
        {**pictures, "manifest": manifest(*FULL), **answers},  # type: ignore[dict-item]
        {Stage.EDIT: ARTICLE},
        config=PostConfig(topic="Puppies", slug="my-puppies", word_count=900, **config),  # type: ignore[arg-type]
    )


async def test_every_planned_picture_is_made_kept_and_told():
    desk = desk_with({})
    work = await images(desk)
    made = json.loads(work.output)
    assert (made["total_generated"], made["total_failed"], made["warnings"]) == (4, 0, [])
    assert [each["type"] for each in made["images"]] == ["featured", *["content"] * 3]
    for number, each in enumerate(made["images"], start=1):
        data = desk.kept[each["blob"]["digest"]]
        assert each["filename"] == f"my-puppies-{number}-{each['blob']['digest'][:8]}.webp"
        assert (each["index"], each["size_bytes"], each["generated"]) == (number, len(data), True)
        assert Image.open(io.BytesIO(data)).format == "WEBP"
    assert [line.message for line in desk.kinds("log")] == ["Generating 4 images, three at a time"]
    assert {line.data["index"] for line in desk.kinds("image_generated") if line.data} == {
        1,
        2,
        3,
        4,
    }
    assert desk.asking == ["Asking claude-x for the image manifest"]
    assert work.summary == "Images done: 4 of 4 made"


async def test_what_is_stored_as_ratio_and_size_is_what_was_sent():
    desk = desk_with(
        {
            "manifest": manifest(
                image("featured", None, aspect_ratio="1:1"),
                image(aspect_ratio="3:2", image_size="2k"),
                image(aspect_ratio=None, image_size=None),
                image(aspect_ratio="5:3"),
            )
        }
    )
    work = await images(desk)
    made = json.loads(work.output)["images"]
    sent = [desk.asked[f"image-{number}"] for number in (1, 2, 3, 4)]
    assert [(each["ratio"], each["size"]) for each in made] == [(r.ratio, r.size) for r in sent]
    assert [(r.ratio, r.size) for r in sent] == [
        ("16:9", "2K"),
        ("3:2", "2K"),
        ("4:3", "1K"),
        ("4:3", "1K"),
    ]
    assert work.warnings == ("Ratio '5:3' or size '' is not made",)


async def test_a_picture_model_is_told_everything_the_user_and_the_plan_want():
    desk = desk_with(
        {}, image_style="watercolour", image_brand_colors=("#ABCDEF",), image_exclude=("leashes",)
    )
    await images(desk)
    prompt = desk.asked["image-2"].prompt
    for wanted in (
        SCENE,
        "watercolour; flat",
        "#ABCDEF, #123456",
        "Leave out: leashes",
        "no cats",
        "4:3",
        "letters",
    ):
        assert wanted in prompt
    plan_prompt = desk.asked["manifest"].prompt
    for line in (
        "Image style: watercolour",
        "Image brand colors: #ABCDEF",
        "Content images: 3",
        "Keep out of images: leashes",
    ):
        assert f"\n{line}\n" in plan_prompt
    assert desk.asked["manifest"].schema is not None


@pytest.mark.parametrize(
    "answer",
    [
        manifest(*FULL),
        f"```json\n{manifest(*FULL)}\n```\n\nI placed {{four}} images.",
        f"Here is the manifest: {manifest(*FULL, version='1.0', surprise={'a': 1})} Enjoy!",
        manifest(*FULL).replace('"A dog"', "null").replace('"flat"', "null"),
        manifest(*({**each, "placement": "after_heading"} for each in FULL)),
        manifest(
            *({**each, "type": "hero" if each["type"] == "featured" else "body"} for each in FULL)
        ),
    ],
)
async def test_a_manifest_is_read_in_any_wrapping_and_looseness(answer):
    desk = desk_with({"manifest": answer})
    work = await images(desk)
    assert json.loads(work.output)["total_generated"] == 4
    assert "manifest-again" not in desk.asked


BAD = [
    "",
    "I cannot create images.",
    "{",
    manifest(*FULL)[:-20],
    "[]",
    manifest(),
    '{"images": 5}',
    manifest(*({**each, "prompt": ""} for each in FULL)),
    manifest(*[image()] * 51),
]


@pytest.mark.parametrize("bad", BAD)
async def test_a_bad_manifest_is_asked_for_once_more_with_its_fault(bad):
    desk = desk_with({"manifest": bad, "manifest-again": manifest(*FULL)})
    assert json.loads((await images(desk)).output)["total_generated"] == 4
    assert "could not be used" in desk.asked["manifest-again"].prompt
    assert desk.lines[0].level == "warning"


@pytest.mark.parametrize("bad", BAD)
async def test_two_bad_manifests_fail_and_show_the_answer(bad):
    desk = desk_with({"manifest": bad, "manifest-again": bad})
    with pytest.raises(Permanent) as failed:
        await images(desk)
    assert (failed.value.code, failed.value.raw) == ("unusable_manifest", bad[:500])
    assert not any(key.startswith("image-") for key in desk.asked)


async def test_too_few_images_are_asked_for_again_and_then_taken():
    short = manifest(image(), image())
    desk = desk_with({"manifest": short, "manifest-again": short})
    work = await images(desk)
    assert json.loads(work.output)["images"][0]["type"] == "featured"
    assert "manifest-again" in desk.asked
    assert len(work.warnings) == 2


async def test_too_many_images_are_cut_to_the_number_without_another_question():
    desk = desk_with({"manifest": manifest(*FULL, image(), image())})
    work = await images(desk)
    assert json.loads(work.output)["total_generated"] == 4
    assert "manifest-again" not in desk.asked
    assert work.warnings == ("5 content images were planned where 3 belong: made 3",)


@pytest.mark.parametrize(
    ("words", "content"),
    [(1, 3), (1499, 3), (1500, 4), (1999, 4), (2000, 5), (2500, 6), (3000, 7), (9999, 7)],
)
def test_the_number_of_images_follows_the_length(words, content):
    assert content_images(words) == content


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("Sleep & Rest", "Sleep & Rest"),
        ("## sleep and rest?", None),
        ("SLEEP & REST!", "Sleep & Rest"),
        ("What to Feed", "What to Feed"),
        ("H2: Play", "Play"),
        ("Wat to fed", "What to Feed"),
        ("Unheard of", None),
        (None, None),
        ("x" * 100_000, None),
        ("<script>", None),
    ],
)
async def test_a_picture_stands_in_a_section_the_article_has(asked, found):
    desk = desk_with({"manifest": manifest(FULL[0], image(section=asked), image(), image())})
    work = await images(desk)
    place = json.loads(work.output)["images"][1]["placement"]["after_section"]
    assert place in ("Sleep & Rest", "What to Feed", "Play")
    if found:
        assert (place, work.warnings) == (found, ())


async def test_an_article_without_sections_still_gets_its_images():
    desk = desk_with({})
    desk.outputs[Stage.EDIT] = "Only words."
    work = await images(desk)
    assert json.loads(work.output)["images"][1]["placement"]["after_section"] == ""
    assert len(work.warnings) > 0


@pytest.mark.parametrize(
    "bad",
    [
        Permanent("blocked for safety", code="safety"),
        Transient("overloaded", code="overloaded"),
        b"",
        b"<html>not found</html>",
        png()[:60],
        bomb(50_000, 50_000),
        bomb(9_000, 9_000),
        bomb(0, 5),
        b"GIF89a" + b"\0" * 50,
        Answer(text="no", usage=None),  # type: ignore[arg-type]
    ],
)
async def test_one_bad_picture_fails_alone_and_is_told(bad):
    desk = desk_with({"image-2": bad})
    work = await images(desk)
    made = json.loads(work.output)
    assert (made["total_generated"], made["total_failed"]) == (3, 1)
    assert made["images"][1]["generated"] is False
    assert made["images"][1]["error"]
    assert "blob" not in made["images"][1]
    assert work.warnings == ("1 of 4 images failed",)
    (line,) = desk.kinds("image_failed")
    assert (line.level, line.data) == ("error", {"index": 2, "error": made["images"][1]["error"]})


async def test_the_same_failure_reads_the_same_every_time():
    outputs = {(await images(desk_with({"image-2": b"nonsense"}))).output for _ in range(3)}
    assert len(outputs) == 1


async def test_if_all_pictures_fail_the_stage_fails_and_names_the_causes():
    failures: dict[str, object] = {
        f"image-{n}": Permanent(f"cause {n % 2}", code="x") for n in range(1, 5)
    }
    with pytest.raises(Permanent) as failed:
        await images(desk_with(failures))
    assert failed.value.code == "all_images_failed"
    assert str(failed.value) == "all 4 images failed: cause 1; cause 0"


async def test_three_pictures_are_made_at_once_and_never_four():
    gate, started = asyncio.Event(), asyncio.Semaphore(0)
    desk = desk_with({})

    def hold(key: str) -> asyncio.Event | None:
        if key.startswith("image-"):
            started.release()
            return gate
        return None

    desk.before_answer = hold
    running = asyncio.create_task(images(desk))
    for _ in range(3):
        await started.acquire()
    assert desk.at_work == 3
    gate.set()
    await running
    assert desk.most_at_work == 3


async def test_cancelled_half_way_every_call_is_given_up():
    gate, started = asyncio.Event(), asyncio.Event()
    desk = desk_with({})

    def hold(key: str) -> asyncio.Event | None:
        if key == "image-3":
            started.set()
        return gate if key.startswith("image-") else None

    desk.before_answer = hold
    running = asyncio.create_task(images(desk))
    await started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert desk.at_work == 0
    assert "image-4" not in desk.asked


async def test_an_exception_of_the_runtime_leaves_the_stage_as_it_is():
    class LostTheMessageError(Exception):
        pass

    with pytest.raises(LostTheMessageError):
        await images(desk_with({"image-2": LostTheMessageError()}))


async def test_without_a_picture_model_nothing_is_paid_for():
    desk = desk_with({})
    desk.settings = ModelSettings(provider="claude", model="x")
    with pytest.raises(Permanent, match="picture model"):
        await images(desk)
    assert desk.asked == {}


@pytest.mark.parametrize(
    ("size", "type_", "made"),
    [
        ((3000, 1500), "featured", (1920, 960)),
        ((3000, 1500), "content", (1200, 600)),
        ((800, 400), "content", (800, 400)),
        ((5000, 2), "content", (1200, 1)),
    ],
)
def test_pictures_are_made_smaller_but_never_larger(size, type_, made):
    webp = to_webp(png(*size), type_)
    assert (webp.width, webp.height) == made
    assert Image.open(io.BytesIO(webp.data)).size == made


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1", "LA", "I;16"])
def test_every_kind_of_pixel_becomes_webp_the_same_way_twice(mode):
    assert to_webp(png(mode=mode), "content") == to_webp(png(mode=mode), "content")


@pytest.mark.parametrize("slug", ["../../etc/passwd", "", "…", "a" * 500, "A b/c\\d\0e", ".hidden"])
def test_a_file_name_is_safe_whatever_the_slug(slug):
    name = file_name(slug, 3, b"x")
    assert name.removesuffix(".webp").replace("-", "").isalnum()
    assert len(name) < 90
    assert file_name(slug, 3, b"y") != name


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner)
            | st.dictionaries(
                st.sampled_from(["images", "style_brief", "prompt", "placement", "type"]), inner
            )
        ),
    )
)
def test_any_json_is_a_plan_or_a_clear_fault(value):
    try:
        planned = plan(parse(json.dumps(value)), 3, "T")
    except Fault:
        return
    assert planned.images


def test_a_long_alt_text_is_cut_at_a_word():
    planned = plan(parse(manifest(image("featured", alt_text="word " * 60))), 0, "T")
    assert len(planned.images[0].alt_text) <= 124
    assert planned.images[0].alt_text.endswith("word")


@pytest.mark.parametrize("data", [png(7_000, 6_000, "1"), bomb(9_000, 9_000)])
def test_a_small_file_with_too_many_pixels_is_refused_before_it_is_decoded(data):
    with pytest.raises(Permanent, match="more than 40,000,000 pixels"):
        to_webp(data, "content")


def test_a_heading_that_is_named_exactly_wins_over_one_that_contains_it():
    planned = plan(parse(manifest(image("featured"), image(section="play"))), 1, "T").images
    (_, content), warnings = placed(planned, ("More Play", "Play", "Play Again"))
    assert (content.placement.after_section, warnings) == ("Play", ())
