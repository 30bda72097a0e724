"""Writes tables into a page between markers, so that the prose around them can be written by hand."""

import datetime
import platform
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from reference.common.errors import OutputError
from reference.common.output_files import replacing, require_writable
from validation.latency.machine.host import machine

CHECKOUT = Path(__file__).parents[2]
PAGE = CHECKOUT / "docs" / "evidence" / "numbers.md"
NOT_AIMED, MET, MISSED = "–", "met", "**missed**"
MASK_TOOLS = ("torch", "timm", "numpy", "pillow")  # packages whose versions can change masks


@dataclass(frozen=True)
class Table:
    """A table of the page.

    Attributes:
        name: the name in the table's markers.
        tools: the packages whose versions can change the figures.
        header: the names of the columns; the name of a column of text starts with "<".
        rows: the rows, with a cell for each column.
        note: a line about how the figures were measured.
    """

    name: str
    tools: Sequence[str]
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def to_markdown(self) -> str:
        """Return the table as Markdown."""
        names = [name.removeprefix("<") for name in self.header]
        rules = [":--" if name.startswith("<") else "--:" for name in self.header]
        return "\n".join(f"| {' | '.join(row)} |" for row in (names, rules, *self.rows))


def verdict(value: float, largest: float | None) -> str:
    """Return whether a value is within an upper limit. NaN is not."""
    if largest is None:
        return NOT_AIMED
    return MET if value <= largest else MISSED


def require_page(page: Path = PAGE) -> None:
    """Refuse a page that is missing or cannot be written, before the work begins.

    Raises:
        OutputError: the page is missing, or cannot be written.
    """
    if not page.is_file():
        raise OutputError(f"{page}: the page is missing: measure from a checkout")
    require_writable(page)


def write_table(table: Table, command: str, page: Path = PAGE) -> None:
    """Replace the text between the table's markers by the table.

    Args:
        table: the table to write.
        command: the command that measured it, which the page shows.
        page: the page to write to.

    Raises:
        OutputError: the page cannot be written, or lacks the markers.
    """
    write_lines([_provenance(table, command), "", table.to_markdown()], table.name, page)


def write_lines(lines: Sequence[str], name: str, page: Path) -> None:
    """Replace the text between the markers of a name.

    Raises:
        OutputError: the page cannot be written, or lacks the markers.
    """
    require_page(page)
    text = page.read_text()
    begin, end = (f"<!-- numbers:{word} {name} -->" for word in ("begin", "end"))
    between = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    text, count = between.subn(lambda _: "\n".join([begin, *lines, end]), text)
    if count != 1:
        raise OutputError(f"{page}: has {count} pairs of markers '{begin}' … '{end}': expected one")
    with replacing(page) as draft:
        draft.write_text(text)


def _provenance(table: Table, command: str) -> str:
    """Return a line with the table's command, day, versions and machine, and its note."""
    tools = [f"python {platform.python_version()}"]
    tools += [f"{tool} {version(tool).split('+')[0]}" for tool in table.tools]
    lines = [f"`{command}` on {datetime.date.today()}: {', '.join(tools)}; {machine()}."]
    return " ".join([*lines, table.note]).strip()
