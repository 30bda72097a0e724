"""Draws ratios as dots with their intervals, as an SVG for a page of the documentation.

The scale is logarithmic, so that half and double are equally far from 1. The colors are light or dark, as
the reader's system asks for.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from validation.evidence.peers.contestants import BASELINE, EMULATED, OURS, PEER

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
text { font: 12px system-ui, sans-serif; fill: #1a2230; } .small { font-size: 11px; fill: #566072; }
.small { stroke: #ffffff; stroke-width: 3px; paint-order: stroke; }
.heading { font-weight: 600; } .end { text-anchor: end; } .middle { text-anchor: middle; }
.grid { stroke: #dde1e8; } .one { stroke: #566072; stroke-dasharray: 4 3; }
.interval { stroke: #566072; stroke-width: 2; }
.ground { fill: #ffffff; } .baseline { fill: #566072; } .peer { fill: #b25a00; } .ours { fill: #1d5bbf; }
.emulated { fill: #ffffff; stroke: #1d5bbf; stroke-width: 2; }
@media (prefers-color-scheme: dark) {
  text { fill: #e5e9f0; } .small { fill: #a2acbb; stroke: #10141a; }
  .grid { stroke: #2d3541; } .one, .interval { stroke: #a2acbb; }
  .ground { fill: #10141a; } .baseline { fill: #a2acbb; } .peer { fill: #f0a95c; } .ours { fill: #8ab4f8; }
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
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-labelledby="title description">',
        '<title id="title">Time in relation to PyTorch eager</title>',
        f'<desc id="description">{escape(description)}</desc>',
        f"<style>{_STYLE}</style>",
        f'<rect class="ground" width="{width}" height="{height}"/>',
        *_legend(rows),
    ]
    for index, row in enumerate(rows):
        y = _TOP + index * _ROW + _ROW / 2
        parts.append(f'<text class="end" x="{_NAMES - 12}" y="{y + 4}">{escape(row.name)}</text>')
    for index, panel in enumerate(panels):
        marks = [(row, row.marks[index]) for row in rows]
        left = _NAMES + index * (_PANEL + _GAP)
        parts += [f'<g transform="translate({left} 0)">', *_panel(panel, marks, low, high), "</g>"]
    parts.append(f'<text class="small" x="12" y="{height - 12}">{escape(caption)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _range(rows: Sequence[Row]) -> tuple[int, int]:
    """Return the exponents of two powers of two that enclose all marks, and 1."""
    marks = [mark for row in rows for mark in row.marks if mark]
    low = min((mark.low for mark in marks), default=1.0)
    high = max((mark.high for mark in marks), default=1.0)
    return min(-1, math.floor(math.log2(low))), max(1, math.ceil(math.log2(high)))


def _legend(rows: Sequence[Row]) -> list[str]:
    kinds = dict.fromkeys(row.kind for row in rows)
    return [
        f'<g transform="translate({20 + 120 * index} 20)">{_SHAPES[kind]}'
        f'<text class="small" x="12" y="4">{_WORDS[kind]}</text></g>'
        for index, kind in enumerate(kinds)
    ] + [
        '<text class="small" x="520" y="24">× PyTorch eager, less is faster; bars are 95 % intervals</text>'
    ]


def _panel(title: str, marks: Sequence[tuple[Row, Mark | None]], low: int, high: int) -> list[str]:
    bottom = _TOP + len(marks) * _ROW
    parts = [f'<text class="heading" x="0" y="{_TOP - 16}">{escape(title)}</text>']
    for power in range(low, high + 1):
        x = _place(2.0**power, low, high)
        kind = "one" if power == 0 else "grid"
        parts.append(f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{bottom}"/>')
        parts.append(
            f'<text class="small middle" x="{x:.1f}" y="{bottom + 16}">{2.0**power:g}</text>'
        )
    for index, (row, mark) in enumerate(marks):
        y = _TOP + index * _ROW + _ROW / 2
        if mark is None:
            parts.append(f'<text class="small" x="4" y="{y + 4}">no figure</text>')
            continue
        x, start, end = (_place(value, low, high) for value in (mark.ratio, mark.low, mark.high))
        parts.append(f'<line class="interval" x1="{start:.1f}" x2="{end:.1f}" y1="{y}" y2="{y}"/>')
        parts.append(f'<g transform="translate({x:.1f} {y})">{_SHAPES[row.kind]}</g>')
        parts.append(
            f'<text class="small" x="{max(x, end) + 9:.1f}" y="{y + 4}">{mark.ratio:.2f}</text>'
        )
    return parts


def _place(ratio: float, low: int, high: int) -> float:
    """Return the distance of a ratio from the panel's left edge, in pixels."""
    return (math.log2(ratio) - low) / (high - low) * (_PANEL - _VALUE)


def _in_words(row: Row, panels: Sequence[str]) -> str:
    return ", ".join(
        f"{panel} {'no figure' if mark is None else f'{mark.ratio:.2f}'}"
        for panel, mark in zip(panels, row.marks, strict=True)
    )
