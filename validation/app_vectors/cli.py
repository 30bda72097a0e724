"""``python -m validation.app_vectors``: write the golden vectors of the sample apps."""

from typing import NoReturn

import click

from reference.command_line import run


@click.command("app_vectors")
def app_vectors() -> None:
    """Write sample_apps/vectors/vectors.json, which the tests of both apps read.

    \b
    Example:
      python -m validation.app_vectors
    """
    from validation.app_vectors.vectors import VECTORS, build_vectors
    from validation.json_file import write_json

    write_json(VECTORS, build_vectors())


def main() -> NoReturn:
    """Run the command and exit; see ``reference.command_line.run``."""
    run(app_vectors)
