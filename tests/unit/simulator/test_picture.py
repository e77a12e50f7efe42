"""The pictures are real, of the asked size, and follow from the prompt alone."""

from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image

from shared.simulator.answers.picture import RATIOS, picture, spoiled


@pytest.mark.parametrize("ratio", RATIOS)
def test_every_ratio_gives_a_picture_that_opens(ratio: str) -> None:
    with Image.open(BytesIO(picture("A hill", ratio, "1K", 96))) as opened:
        opened.load()
        assert max(opened.size) == 96
        wide, high = RATIOS[ratio]
        assert abs(opened.width * high - opened.height * wide) <= 2 * max(wide, high) * 4


def test_a_bigger_size_has_more_pixels() -> None:
    with Image.open(BytesIO(picture("A hill", "1:1", "2K", 64))) as opened:
        assert opened.size == (128, 128)


def test_the_prompt_alone_decides_the_picture() -> None:
    first = picture.__wrapped__("A hill", "4:3", "1K", 64)
    assert first == picture.__wrapped__("A hill", "4:3", "1K", 64)
    assert first != picture.__wrapped__("A lake", "4:3", "1K", 64)


def test_there_is_something_to_see_in_every_part() -> None:
    with Image.open(BytesIO(picture("A quiet harbour", "1:1", "1K", 256))) as opened:
        halves = [opened.crop((0, 0, 256, 128)), opened.crop((0, 128, 256, 256))]
        for half in halves:
            colours = half.getcolors(1_000_000)
            assert colours is not None
            assert len(colours) > 5


def test_spoiled_pictures_do_not_load() -> None:
    good = picture("A hill", "1:1", "1K", 64)
    for fault in ("bad_image", "not_image", "bomb"):
        with pytest.raises((OSError, Image.DecompressionBombError)):
            Image.open(BytesIO(spoiled(good, fault))).load()
    assert spoiled(good, "") == good
