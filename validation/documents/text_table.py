"""Tables for a terminal."""

from collections.abc import Sequence

from reference.common.plain_text import shorten

_CELL_WIDTH = 120  # characters; of a longer text the end is left out


def aligned(rows: Sequence[tuple[str, ...]], left: int) -> list[str]:
    """Rows with cells of one width per column, fit to be shown; the first ``left`` columns are aligned left."""
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
