"""``python -m validation.evidence.harness``: an old commit beside the working tree."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from reference.common.command_line import note, run
from reference.options import model_option
from validation.commands.options import FAILED_STATUS
from validation.evidence.harness.parts import PARTS, Laboratory, Row
from validation.evidence.harness.versions import HarnessError, Version, unpack
from validation.evidence.page import (
    CHECKOUT,
    NOT_AIMED,
    Table,
    require_page,
    verdict,
    write_table,
)

PAGE = CHECKOUT / "docs" / "evidence" / "harness.md"
COMMAND = "python -m validation.evidence.harness"
TOOLS = ("torch", "coremltools")
OLD = "27b9ace"  # the commit before everything was made faster
NOT_RUN = "NOT RUN"


@click.command("harness")
@click.option(
    "--old",
    metavar="COMMIT",
    default=OLD,
    show_default=True,
    help="The commit that runs beside the working tree.",
)
@click.option(
    "--only",
    "parts",
    type=click.Choice(list(PARTS)),
    multiple=True,
    help="Measure only this part. Repeatable. The others are NOT RUN, and keep their tables on the page.",
)
@model_option("The model variant to convert and compare.")
@click.option(
    "--rounds",
    metavar="N",
    type=click.IntRange(min=1, max=100),
    default=2,
    show_default=True,
    help="How often each version runs a command. The shortest time counts.",
)
@click.option("--write", is_flag=True, help="Write the tables into docs/evidence/harness.md.")
def harness(old: str, parts: tuple[str, ...], model: str, rounds: int, write: bool) -> int:
    """Run an old commit beside the working tree, in turns, and say how much faster the new one is.

    \b
    Examples:
      python -m validation.evidence.harness --only refusal --only convert
      python -m validation.evidence.harness --old HEAD~1 --only compare
      python -m validation.evidence.harness --write

    The old commit is unpacked into a temporary folder, and runs with the same Python and the same
    libraries. A whole run takes more than an hour. Leave the machine alone meanwhile.

    Exits with 0 if all parts ran, with 1 if one could not run, and with 2 for bad input.
    """
    if write:
        require_page(PAGE)
    tables: list[Table] = []
    failed = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before = unpack(old, folder / "old")
        laboratory = Laboratory(before, Version("new", CHECKOUT), folder, model, rounds)
        for part, measure in PARTS.items():
            if parts and part not in parts:
                tables.append(_table(part, [], old))
                continue
            note(f"{part} …")
            try:
                tables.append(_table(part, measure(laboratory), old))
            except HarnessError as error:
                note(f"{part}: {NOT_RUN}: {error}")
                tables.append(_table(part, [], old))
                failed = True
    click.echo("\n\n".join(table.to_markdown() for table in tables))
    if write:
        options = f" --only {{}} --old {old}"
        for table in tables:
            if not parts or table.name in parts:
                write_table(table, COMMAND + options.format(table.name), PAGE)
    return FAILED_STATUS if failed else 0


def _table(part: str, rows: Sequence[Row], old: str) -> Table:
    header = (f"<{part}", f"old, {old}", "new", "measured", "reach", "verdict")
    if not rows:
        return Table(part, TOOLS, header, [(NOT_RUN, "", "", "", "", "")])
    return Table(part, TOOLS, header, [_cells(row) for row in rows])


def _cells(row: Row) -> tuple[str, ...]:
    reach = NOT_AIMED if row.reach is None else f"≤ {row.reach:g}"
    measured = f"{row.measured:.2f}"
    return row.name, row.old, row.new, measured, reach, verdict(float(measured), row.reach)


def main() -> NoReturn:
    """Run the command and exit; see ``reference.common.command_line.run``."""
    run(harness)
