"""A picture one can look at: sky, sun, hills, trees and clouds in colours that follow the prompt.

PNG with the standard library alone. Rows are painted as runs of one colour, so that a picture of a
thousand pixels takes a fraction of a second.
"""

from __future__ import annotations

import colorsys
import math
import struct
import zlib
from functools import lru_cache

from shared.simulator.chance import Chance

RATIOS = {
    "1:1": (1, 1),
    "16:9": (16, 9),
    "9:16": (9, 16),
    "4:3": (4, 3),
    "3:4": (3, 4),
    "3:2": (3, 2),
    "2:3": (2, 3),
    "4:5": (4, 5),
    "5:4": (5, 4),
    "21:9": (21, 9),
}
SIZES = {"1K": 1, "2K": 2, "4K": 4}
_SIGNATURE = b"\x89PNG\r\n\x1a\n"

type Colour = tuple[int, int, int]
type Runs = dict[int, list[tuple[int, int, Colour]]]


@lru_cache(maxsize=32)
def picture(prompt: str, ratio: str, size: str, side: int) -> bytes:
    """The PNG for this prompt; its long side has `side` pixels for each K of `size`."""
    wide, high = RATIOS[ratio]
    scale = side * SIZES[size] / max(wide, high)
    return _Scene(prompt, max(1, round(wide * scale)), max(1, round(high * scale))).png()


def spoiled(data: bytes, fault: str) -> bytes:
    """The picture as a broken provider sends it: truncated, no picture at all, or far too large."""
    match fault:
        case "bad_image":
            return data[: len(data) // 2]
        case "not_image":
            return b"<!doctype html><title>This is no picture</title>"
        case "bomb":
            return _SIGNATURE + _header(50_000, 50_000) + data[33:]
        case _:
            return data


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _header(width: int, height: int) -> bytes:
    return _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))


def _rgb(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def _mixed(one: Colour, other: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


class _Scene:
    def __init__(self, prompt: str, width: int, height: int) -> None:
        self._chance = Chance("picture", prompt)
        self._width, self._height = width, height
        self._hue = self._chance.below(360) / 360
        self._runs: Runs = {}

    def png(self) -> bytes:
        """Paint everything, back to front, and pack it."""
        self._sun()
        for _ in range(self._chance.between(2, 4)):
            self._cloud()
        layers = self._chance.between(3, 4)
        for layer in range(layers):
            self._hill(layer, layers)
        body = zlib.compress(b"".join(self._row(y) for y in range(self._height)), 1)
        header = _header(self._width, self._height)
        return _SIGNATURE + header + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")

    def _row(self, y: int) -> bytes:
        top, bottom = _rgb(self._hue, 0.55, 0.75), _rgb(self._hue + 0.08, 0.2, 1.0)
        sky = _mixed(top, bottom, y / self._height)
        row = bytearray(bytes(sky) * self._width)
        for start, end, colour in self._runs.get(y, ()):
            row[start * 3 : end * 3] = bytes(colour) * (end - start)
        return b"\x00" + bytes(row)

    def _paint(self, y: int, start: float, end: float, colour: Colour) -> None:
        left, right = max(0, round(start)), min(self._width, round(end))
        if left < right and 0 <= y < self._height:
            self._runs.setdefault(y, []).append((left, right, colour))

    def _ellipse(self, x: float, y: float, wide: float, high: float, colour: Colour) -> None:
        for row in range(math.floor(y - high), math.ceil(y + high) + 1):
            inside = 1 - ((row - y) / max(high, 0.5)) ** 2
            if inside > 0:
                half = wide * math.sqrt(inside)
                self._paint(row, x - half, x + half, colour)

    def _sun(self) -> None:
        radius = min(self._width, self._height) * self._chance.between(7, 12) / 100
        x = self._width * self._chance.between(15, 85) / 100
        y = self._height * self._chance.between(18, 40) / 100
        sky, sun = _rgb(self._hue + 0.04, 0.35, 0.95), _rgb(self._hue + 0.45, 0.25, 1.0)
        for ring in range(6, -1, -1):
            grown = radius * (1 + ring * 0.16)
            self._ellipse(x, y, grown, grown, _mixed(sun, sky, min(1.0, ring / 6)))

    def _cloud(self) -> None:
        unit = self._width / 100
        x = self._width * self._chance.between(5, 95) / 100
        y = self._height * self._chance.between(8, 35) / 100
        white = _rgb(self._hue, 0.06, 1.0)
        for _ in range(5):
            shift = self._chance.between(-8, 8) * unit
            wide = self._chance.between(4, 9) * unit
            self._ellipse(x + shift, y, wide, wide * 0.32, white)

    def _hill(self, layer: int, layers: int) -> None:
        depth = (layer + 1) / layers
        colour = _rgb(self._hue + 0.3 + 0.06 * layer, 0.25 + 0.35 * depth, 0.8 - 0.5 * depth)
        tops = self._ridge(0.42 + 0.42 * layer / layers, 0.1 - 0.04 * depth)
        if layer:
            self._trees(tops, depth, _mixed(colour, (20, 30, 30), 0.45))
        self._below(tops, colour)

    def _ridge(self, base: float, swing: float) -> list[int]:
        waves = [
            (self._chance.between(1, 7) / 2, self._chance.below(628) / 100, swing / (at + 1))
            for at in range(3)
        ]
        return [
            round(
                self._height
                * (
                    base
                    + sum(
                        size * math.sin(count * math.tau * x / self._width + phase)
                        for count, phase, size in waves
                    )
                )
            )
            for x in range(self._width)
        ]

    def _below(self, tops: list[int], colour: Colour) -> None:
        """Fill everything under the ridge: per row only where the ridge crosses it."""
        crossings: dict[int, list[int]] = {}
        for x in range(1, len(tops)):
            low, high = sorted((tops[x - 1], tops[x]))
            for y in range(max(0, low), min(self._height, high)):
                crossings.setdefault(y, []).append(x)
        for y in range(max(0, min(tops)), self._height):
            edges = [*([0] if tops[0] <= y else []), *crossings.get(y, ())]
            edges += [self._width] * (len(edges) % 2)
            for start, end in zip(edges[::2], edges[1::2], strict=True):
                self._paint(y, start, end, colour)

    def _trees(self, tops: list[int], depth: float, colour: Colour) -> None:
        size = self._height * 0.1 * depth
        for _ in range(self._chance.between(4, 9)):
            x = self._chance.below(self._width)
            foot = tops[x] + size * 0.15
            for step in range(round(size) + 1):
                half = size * 0.22 * step / max(1.0, size)
                self._paint(math.floor(foot - size + step), x - half, x + half, colour)
