"""``python -m validation.evidence.app_vectors``: write the golden vectors of the sample apps."""

from typing import NoReturn

import click

from reference.common.command_line import run


@click.command("app_vectors")
def app_vectors() -> None:
    """Write sample_apps/vectors/vectors.json, which the tests of both apps read.

    \b
    Example:
      python -m validation.evidence.app_vectors
    """
    from validation.documents.json_file import write_json
    from validation.evidence.app_vectors.vectors import VECTORS, build_vectors

    write_json(VECTORS, build_vectors())


def main() -> NoReturn:
    """Run the command and exit; see ``reference.common.command_line.run``."""
    run(app_vectors)
