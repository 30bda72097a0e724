"""Tables for a terminal."""

from collections.abc import Sequence

from reference.common.plain_text import shorten

_CELL_WIDTH = 120  # characters; a longer text is cut at its end


def aligned(rows: Sequence[tuple[str, ...]], left: int) -> list[str]:
    """Format rows as lines with aligned columns: the first ``left`` columns to the left, the others to the right."""
    rows = [[shorten(cell, _CELL_WIDTH) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [
                "",
                *(
                    cell.ljust(width) if column < left else cell.rjust(width)
                    for column, (cell, width) in enumerate(zip(row, widths, strict=True))
                ),
            ]
        )
        for row in rows
    ]
