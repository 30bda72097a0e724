"""What the drawings of the documentation share: a frame, a legend, words, and colors.

The colors are light or dark, as the reader's system asks for.
"""

from collections.abc import Sequence
from html import escape

STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1a2230; } .small { font-size: 11px; fill: #566072; }
.small { stroke: #ffffff; stroke-width: 3px; paint-order: stroke; }
.heading { font-weight: 600; } .end { text-anchor: end; } .middle { text-anchor: middle; }
.grid { stroke: #dde1e8; } .ground { fill: #ffffff; }
@media (prefers-color-scheme: dark) {
  text { fill: #e5e9f0; } .small { fill: #a2acbb; stroke: #10141a; }
  .grid { stroke: #2d3541; } .ground { fill: #10141a; }
}
"""


def document(
    width: int, height: int, title: str, description: str, style: str, parts: Sequence[str]
) -> str:
    """Return an SVG as text.

    Args:
        width: the width in pixels.
        height: the height in pixels.
        title: the title, for those who cannot see the drawing.
        description: the same as the drawing, in words.
        style: CSS rules, besides ``STYLE``.
        parts: the elements.
    """
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" role="img" aria-labelledby="title description">',
            f'<title id="title">{escape(title)}</title>',
            f'<desc id="description">{escape(description)}</desc>',
            f"<style>{STYLE.rstrip()}{style}</style>",
            f'<rect class="ground" width="{width}" height="{height}"/>',
            *parts,
            "</svg>",
            "",
        ]
    )


def words(text: str, x: float, y: float, kind: str) -> str:
    """Return a line of text at a place. ``kind`` has its CSS classes."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def line(kind: str, start: tuple[float, float], end: tuple[float, float]) -> str:
    """Return a line from one (x, y) to another."""
    (x1, y1), (x2, y2) = start, end
    return f'<line class="{kind}" x1="{x1:.1f}" x2="{x2:.1f}" y1="{y1:.1f}" y2="{y2:.1f}"/>'


def placed(shape: str, x: float, y: float) -> str:
    """Return a shape, which is drawn around (0, 0), at another place."""
    return f'<g transform="translate({x:.1f} {y:.1f})">{shape}</g>'


def legend(entries: Sequence[tuple[str, str]], places: Sequence[float], y: float) -> list[str]:
    """Return a row of shapes, each with its meaning on the right.

    Args:
        entries: the shapes and their meanings.
        places: the x of each entry.
        y: the middle of the row.
    """
    return [
        placed(shape + words(meaning, 12, 4, "small"), x, y)
        for (shape, meaning), x in zip(entries, places, strict=True)
    ]
