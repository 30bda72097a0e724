"""Draws IoU over size, as an SVG for a page of the documentation.

The scale of an IoU is logarithmic in what it lacks to 1, so that a mask that loses half as much is as much higher.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from validation.evidence.numbers.labels import Box, Place, along, around, place_labels
from validation.evidence.svg import document, legend, line, placed, words

BEFORE, FIXED, AUTOMATIC = "before", "fixed", "automatic"

_PANELS = (
    "mean IoU of all masks",
    "lowest IoU of all masks",
    "lowest IoU of the masks that users see",
)
_WIDTH, _LEFT, _RIGHT = 800, 64, 18  # pixels
_TOP, _PANEL, _GAP = 86, 232, 58
_INSET = 14  # pixels between a panel's edge and its outermost dots
_TICKS = (0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9999)  # IoUs
_LEAST_LOST = 1e-5  # IoU. A logarithm needs some.
_WORDS = {
    BEFORE: "before: each weight rounded to the nearest value",
    FIXED: "now: one format for all layers",
    AUTOMATIC: "now: auto, a format for each layer",
}
_FORMATS = {"coreml": "Core ML, in mil_runtime", "torchscript": ".ptl"}
# File format → shape, which tells formats apart without color.
_SHAPES = {
    "coreml": '<circle class="{}" r="5"/>',
    "torchscript": '<path class="{}" d="M0-6L6 5H-6Z"/>',
}
_STYLE = """
.before { fill: #98a1af; } .fixed { fill: #b25a00; } .automatic { fill: #1d5bbf; }
.format { fill: none; stroke: #566072; stroke-width: 1.5; }
.small.fixed { fill: #8a4600; } .small.before { fill: #6b7482; }
.curve { stroke: #1d5bbf; stroke-width: 1.5; }
@media (prefers-color-scheme: dark) {
  .before { fill: #79828f; } .fixed { fill: #f0a95c; } .automatic { fill: #8ab4f8; }
  .small.fixed { fill: #f0a95c; } .small.before { fill: #98a1af; }
  .curve { stroke: #8ab4f8; } .format { stroke: #a2acbb; }
}
"""


@dataclass(frozen=True)
class Point:
    """An artifact.

    Attributes:
        name: the words next to it. Dots of the kind AUTOMATIC have none.
        format: the file format.
        kind: BEFORE, FIXED or AUTOMATIC. Lines join those of the kind AUTOMATIC, one for each format.
        megabytes: its size.
        ious: the IoU in each panel: the mean, the lowest one, and the lowest one that users see, or None.
    """

    name: str
    format: str
    kind: str
    megabytes: float
    ious: tuple[float, float, float | None]


def draw(points: Sequence[Point], caption: str) -> str:
    """Return the SVG as text. There must be a point with all figures."""
    height = _TOP + len(_PANELS) * (_PANEL + _GAP)
    parts = _legend()
    for index, title in enumerate(_PANELS):
        found = [(point, point.ious[index]) for point in points if point.ious[index] is not None]
        drawn = "\n".join(_panel(title, found, _sizes(points)))
        parts.append(placed(drawn, _LEFT, _TOP + index * (_PANEL + _GAP)))
    parts.append(words(caption, 12, height - 12, "small"))
    description = "; ".join(map(_in_words, points))
    return document(_WIDTH, height, "Size and masks", description, _STYLE, parts)


def _legend() -> list[str]:
    kinds = [(_SHAPES["coreml"].format(kind), meaning) for kind, meaning in _WORDS.items()]
    formats = [(_SHAPES[name].format("format"), meaning) for name, meaning in _FORMATS.items()]
    return [*legend(kinds, (20, 340, 555), 20), *legend(formats, (20, 340), 42)]


def _sizes(points: Sequence[Point]) -> tuple[int, int]:
    """Return two whole numbers of MB that enclose all points."""
    sizes = [point.megabytes for point in points]
    return math.floor(min(sizes)), math.ceil(max(sizes))


@dataclass(frozen=True)
class _Scales:
    """The places of sizes and IoUs in a panel, in pixels from its left upper corner."""

    sizes: tuple[int, int]
    highest: float  # IoU
    lowest: float

    @property
    def width(self) -> int:
        return _WIDTH - _LEFT - _RIGHT

    def x(self, megabytes: float) -> float:
        low, high = self.sizes
        return (megabytes - low) / (high - low) * self.width

    def y(self, iou: float) -> float:
        top, bottom = _log_lost(self.highest), _log_lost(self.lowest)
        share = (_log_lost(iou) - top) / (bottom - top) if bottom > top else 0.5
        return _INSET + share * (_PANEL - 2 * _INSET)


def _log_lost(iou: float) -> float:
    return math.log10(max(1 - iou, _LEAST_LOST))


def _panel(title: str, found: Sequence[tuple[Point, float]], sizes: tuple[int, int]) -> list[str]:
    ious = [iou for _, iou in found]
    scales = _Scales(sizes, max(ious), min(ious))
    places = [(scales.x(point.megabytes), scales.y(iou)) for point, iou in found]
    curves = _curves(found, places)
    parts = [words(title, 0, -10, "heading"), *_grid(scales)]
    parts += [line("curve", *curve) for curve in curves]
    parts += [
        placed(_SHAPES[point.format].format(point.kind), *place)
        for (point, _), place in zip(found, places, strict=True)
    ]
    named = [
        (point, place)
        for (point, _), place in zip(found, places, strict=True)
        if point.kind != AUTOMATIC  # the legend names these
    ]
    obstacles = [around(*place) for place in places]
    obstacles += [box for curve in curves for box in along(*curve)]
    labels = place_labels(
        [(point.name, place) for point, place in named], obstacles, Box(0, 0, scales.width, _PANEL)
    )
    for (point, _), label in zip(named, labels, strict=True):
        parts.append(words(point.name, label.left, label.baseline, f"small {point.kind}"))
    return parts


def _grid(scales: _Scales) -> list[str]:
    parts = []
    for size in range(scales.sizes[0], scales.sizes[1] + 1):
        x = scales.x(size)
        parts.append(line("grid", (x, 0), (x, _PANEL)))
        parts.append(words(f"{size} MB", x, _PANEL + 16, "small middle"))
    for iou in _TICKS:
        y = scales.y(iou)
        if 0 <= y <= _PANEL:
            parts.append(line("grid", (0, y), (scales.width, y)))
            parts.append(words(f"{iou:g}", -8, y + 4, "small end"))
    return parts


def _curves(
    found: Sequence[tuple[Point, float]], places: Sequence[Place]
) -> list[tuple[Place, Place]]:
    """Return the lines that join the dots of the kind AUTOMATIC."""
    curves: list[tuple[Place, Place]] = []
    for name in _FORMATS:
        stops = sorted(
            place
            for (point, _), place in zip(found, places, strict=True)
            if (point.format, point.kind) == (name, AUTOMATIC)
        )
        curves += pairwise(stops)
    return curves


def _in_words(point: Point) -> str:
    mean, lowest, seen = point.ious
    when = "before" if point.kind == BEFORE else "now"
    figures = f"mean IoU {mean:.4f}, lowest {lowest:.4f}"
    if seen is not None:
        figures += f", lowest that users see {seen:.4f}"
    return f"{_FORMATS[point.format]} {point.name} ({when}), {point.megabytes:.2f} MB: {figures}"
