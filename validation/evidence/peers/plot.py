"""Draws ratios as dots with their intervals, as an SVG for a page of the documentation.

The scale is logarithmic, so that half and double are equally far from 1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from validation.evidence.peers.contestants import BASELINE, EMULATED, OURS, PEER
from validation.evidence.svg import document, legend, line, placed, words

_NAMES, _PANEL, _GAP, _ROW, _TOP = 230, 230, 24, 24, 66  # pixels
_VALUE = 44  # pixels that the number needs to the right of the last dot
_WORDS = {BASELINE: "baseline", PEER: "peer", OURS: "ours", EMULATED: "ours, emulated"}
# Kind → shape, which tells kinds apart without color.
_SHAPES = {
    BASELINE: '<rect class="baseline" x="-4" y="-4" width="8" height="8"/>',
    PEER: '<path class="peer" d="M0-6L6 5H-6Z"/>',
    OURS: '<circle class="ours" r="5"/>',
    EMULATED: '<circle class="emulated" r="4.5"/>',
}
_STYLE = """
.one { stroke: #566072; stroke-dasharray: 4 3; } .interval { stroke: #566072; stroke-width: 2; }
.baseline { fill: #566072; } .peer { fill: #b25a00; } .ours { fill: #1d5bbf; }
.emulated { fill: #ffffff; stroke: #1d5bbf; stroke-width: 2; }
@media (prefers-color-scheme: dark) {
  .one, .interval { stroke: #a2acbb; }
  .baseline { fill: #a2acbb; } .peer { fill: #f0a95c; } .ours { fill: #8ab4f8; }
  .emulated { fill: #10141a; stroke: #8ab4f8; }
}
"""


@dataclass(frozen=True)
class Mark:
    """A ratio with its interval."""

    ratio: float
    low: float
    high: float


@dataclass(frozen=True)
class Row:
    """One contestant, with a mark for each panel. A mark is None where there is no figure."""

    name: str
    kind: str
    marks: Sequence[Mark | None]


def draw(rows: Sequence[Row], panels: Sequence[str], caption: str) -> str:
    """Return the SVG as text. Every string in it is escaped."""
    low, high = _range(rows)
    width = _NAMES + len(panels) * (_PANEL + _GAP) + 12
    height = _TOP + len(rows) * _ROW + 52
    description = "; ".join(f"{row.name}: {_in_words(row, panels)}" for row in rows)
    parts = _legend(rows)
    for index, row in enumerate(rows):
        parts.append(words(row.name, _NAMES - 12, _middle(index) + 4, "end"))
    for index, panel in enumerate(panels):
        marks = [(row, row.marks[index]) for row in rows]
        parts.append(placed("\n".join(_panel(panel, marks, low, high)), _left(index), 0))
    parts.append(words(caption, 12, height - 12, "small"))
    return document(width, height, "Time in relation to PyTorch eager", description, _STYLE, parts)


def _left(panel: int) -> int:
    return _NAMES + panel * (_PANEL + _GAP)


def _middle(row: int) -> float:
    return _TOP + row * _ROW + _ROW / 2


def _range(rows: Sequence[Row]) -> tuple[int, int]:
    """Return the exponents of two powers of two that enclose all marks, and 1."""
    marks = [mark for row in rows for mark in row.marks if mark]
    low = min((mark.low for mark in marks), default=1.0)
    high = max((mark.high for mark in marks), default=1.0)
    return min(-1, math.floor(math.log2(low))), max(1, math.ceil(math.log2(high)))


def _legend(rows: Sequence[Row]) -> list[str]:
    kinds = dict.fromkeys(row.kind for row in rows)
    entries = [(_SHAPES[kind], _WORDS[kind]) for kind in kinds]
    return [
        *legend(entries, [20 + 120 * index for index in range(len(entries))], 20),
        words("× PyTorch eager, less is faster; bars are 95 % intervals", 520, 24, "small"),
    ]


def _panel(title: str, marks: Sequence[tuple[Row, Mark | None]], low: int, high: int) -> list[str]:
    bottom = _TOP + len(marks) * _ROW
    parts = [words(title, 0, _TOP - 16, "heading")]
    for power in range(low, high + 1):
        x = _place(2.0**power, low, high)
        parts.append(line("one" if power == 0 else "grid", (x, _TOP), (x, bottom)))
        parts.append(words(f"{2.0**power:g}", x, bottom + 16, "small middle"))
    for index, (row, mark) in enumerate(marks):
        y = _middle(index)
        if mark is None:
            parts.append(words("no figure", 4, y + 4, "small"))
            continue
        x, start, end = (_place(value, low, high) for value in (mark.ratio, mark.low, mark.high))
        parts.append(line("interval", (start, y), (end, y)))
        parts.append(placed(_SHAPES[row.kind], x, y))
        parts.append(words(f"{mark.ratio:.2f}", max(x, end) + 9, y + 4, "small"))
    return parts


def _place(ratio: float, low: int, high: int) -> float:
    """Return the distance of a ratio from the panel's left edge, in pixels."""
    return (math.log2(ratio) - low) / (high - low) * (_PANEL - _VALUE)


def _in_words(row: Row, panels: Sequence[str]) -> str:
    return ", ".join(
        f"{panel} {'no figure' if mark is None else f'{mark.ratio:.2f}'}"
        for panel, mark in zip(panels, row.marks, strict=True)
    )
