"""What the ``validate`` commands have in common: which artefacts, which limits, and results as JSON."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from reference.command_line import print_json
from reference.output_files import require_writable
from validation.json_file import write_json

FAILED_STATUS = 1  # of a command whose gate failed
_STDOUT = Path("-")

artifacts_argument = click.argument(
    "folders", metavar="ARTIFACT...", type=click.Path(path_type=Path), nargs=-1, required=True
)


def gates_option(example: str) -> Callable:
    """Add --gates, whose help shows ``example``."""
    return click.option(
        "--gates",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help=f"A TOML file of limits in place of the defaults, such as {example}.",
    )


@dataclass(frozen=True)
class JsonOutput:
    """Where --json sends results: to a file, to stdout in place of the table, or nowhere."""

    path: Path | None

    @property
    def replaces_table(self) -> bool:
        """Whether stdout is for JSON alone."""
        return self.path == _STDOUT

    def write(self, document: dict) -> None:
        """Send ``document``, whose numbers are finite; OutputError if the file cannot be written."""
        if self.replaces_table:
            print_json(document)
        elif self.path is not None:
            write_json(self.path, document)


def json_option(what: str = "the results") -> Callable:
    """Add --json, received as ``output``, a ``JsonOutput``; a file that cannot be written is refused at once."""

    def check(_context: click.Context, _option: click.Parameter, path: Path | None) -> JsonOutput:
        if path not in (None, _STDOUT):
            require_writable(path)
        return JsonOutput(path)

    return click.option(
        "--json",
        "output",
        metavar="FILE",
        type=click.Path(path_type=Path),
        callback=check,
        help=f"Write {what} as JSON; with -, on stdout and in place of the table.",
    )
