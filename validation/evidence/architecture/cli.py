"""``python -m validation.evidence.architecture``: write the picture and the figures of docs/architecture.md."""

from typing import NoReturn

import click

from reference.common.command_line import run
from validation.evidence.page import CHECKOUT, require_page, write_lines

PAGE = CHECKOUT / "docs" / "architecture.md"


@click.command("architecture")
def architecture() -> None:
    """Write the picture and the figures of docs/architecture.md, from the imports of this checkout.

    \b
    Example:
      python -m validation.evidence.architecture
    """
    require_page(PAGE)

    from validation.evidence.architecture.diagram import diagram_of, figures_of, read_house

    house = read_house()
    write_lines(diagram_of(house), "picture", PAGE)
    write_lines(figures_of(house), "figures", PAGE)


def main() -> NoReturn:
    """Run the command and exit; see ``reference.common.command_line.run``."""
    run(architecture)
