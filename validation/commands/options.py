"""What the ``validate`` commands have in common: which artifacts, which limits, and results as JSON."""

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from reference.common.command_line import print_json
from reference.common.errors import OutputError
from reference.common.output_files import require_writable
from validation.documents.json_file import write_json

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
    """Add --json, received as ``output``, a ``JsonOutput``.

    Refused at once is a file that cannot be written, and one that the command reads or writes as something else.
    """

    def check(_context: click.Context, _option: click.Parameter, path: Path | None) -> JsonOutput:
        if path not in (None, _STDOUT):
            require_writable(path)
        return JsonOutput(path)

    option = click.option(
        "--json",
        "output",
        metavar="FILE",
        type=click.Path(path_type=Path),
        callback=check,
        help=f"Write {what} as JSON; with -, on stdout and in place of the table.",
    )

    def add(command: Callable) -> Callable:
        @functools.wraps(command)
        def checked(output: JsonOutput, **others: object) -> int | None:
            if output.path not in (None, _STDOUT):
                _require_own(output.path, others)
            return command(output=output, **others)

        return option(checked)

    return add


def _require_own(path: Path, others: Mapping[str, object]) -> None:
    """Refuse a file for results that another parameter names too: either would replace the other."""
    parameters = {each.name: each for each in click.get_current_context().command.params}
    for name, value in others.items():
        for other in value if isinstance(value, tuple) else (value,):
            if isinstance(other, str | Path) and _is_same(path, other):
                parameter = parameters[name]
                called = (
                    parameter.opts[0]
                    if isinstance(parameter, click.Option)
                    else parameter.human_readable_name
                )
                raise OutputError(
                    f"{path}: is what {called} names as well; name another output with --json"
                )


def _is_same(path: Path, other: str | Path) -> bool:
    """Whether two paths lead to one file, which need not be there yet."""
    try:
        return os.path.realpath(path) == os.path.realpath(other) or path.samefile(other)
    except (OSError, ValueError):  # one of them is not there, or can be no path
        return False
