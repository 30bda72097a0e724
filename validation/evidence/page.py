"""The page's tables: written between markers, so that the prose around them stays hand-written."""

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
MASK_TOOLS = ("torch", "timm", "numpy", "pillow")  # whose versions decide about masks


@dataclass(frozen=True)
class Table:
    """A table of the page.

    Attributes:
        name: of its markers.
        tools: packages whose versions decide about the figures.
        header: names of the columns; those of text start with "<".
        rows: cells, as many in each as the header has.
        note: one line more about how it was measured.
    """

    name: str
    tools: Sequence[str]
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def to_markdown(self) -> str:
        """Pipes and dashes."""
        names = [name.removeprefix("<") for name in self.header]
        rules = [":--" if name.startswith("<") else "--:" for name in self.header]
        return "\n".join(f"| {' | '.join(row)} |" for row in (names, rules, *self.rows))


def verdict(value: float, largest: float | None) -> str:
    """Whether an upper limit is held; NaN does not hold it."""
    if largest is None:
        return NOT_AIMED
    return MET if value <= largest else MISSED


def require_page(page: Path = PAGE) -> None:
    """Refuse before the work a page that is not there, or cannot be written: OutputError."""
    if not page.is_file():
        raise OutputError(f"{page}: there is no such page: measure from a checkout")
    require_writable(page)


def write_table(table: Table, command: str, page: Path = PAGE) -> None:
    """Replace what stands between the table's markers; OutputError if the page lacks them.

    ``command`` is what produced it, for readers who want to do so too.
    """
    write_lines([_provenance(table, command), "", table.to_markdown()], table.name, page)


def write_lines(lines: Sequence[str], name: str, page: Path) -> None:
    """Replace what stands between the markers of a name; OutputError if the page lacks them."""
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
    """What produced the table: command, day, versions, machine."""
    tools = [f"python {platform.python_version()}"]
    tools += [f"{tool} {version(tool).split('+')[0]}" for tool in table.tools]
    lines = [f"`{command}` on {datetime.date.today()}: {', '.join(tools)}; {machine()}."]
    return " ".join([*lines, table.note]).strip()
