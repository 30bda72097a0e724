"""Options that several ``validate`` commands share: artifacts, gates, a report, and results as JSON."""

import functools
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from reference.common.command_line import DOCUMENT_ON_STDOUT, print_json
from reference.common.errors import OutputError
from reference.common.output_files import require_writable
from validation.documents.json_file import write_json
from validation.documents.verdicts import INCOMPLETE, NOT_RUN, PASSED

FAILED_STATUS = 1  # exit status of a command whose gate failed
_STDOUT = Path("-")

artifacts_argument = click.argument(
    "folders", metavar="ARTIFACT...", type=click.Path(path_type=Path), nargs=-1, required=True
)


def gates_option(example: str, note: str = "") -> Callable:
    """Add the option --gates; its help shows ``example``, a line of such a file, and ends with ``note``."""
    return click.option(
        "--gates",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help=f"Replace default limits with those of this TOML file, such as {example}. {note}".rstrip(),
    )


def report_option(what: str) -> Callable:
    """Add the option --report; ``what`` names in its help what the page shows."""
    return click.option(
        "--report",
        metavar="DIR",
        type=click.Path(path_type=Path, file_okay=False),
        help=f"Write a page with {what}, and the results as JSON, to this folder. An earlier report of this "
        "command in its place is replaced.",
    )


require_all_option = click.option(
    "--require-all",
    is_flag=True,
    help="Exit with 1 unless the verdict is PASS, so also if it is INCOMPLETE or NOT RUN. Use it in CI.",
)


def exit_status(verdict: str, require_all: bool) -> int:
    """Return 0 or FAILED_STATUS. What did not run fails only with --require-all."""
    accepted = (PASSED,) if require_all else (PASSED, INCOMPLETE, NOT_RUN)
    return 0 if verdict in accepted else FAILED_STATUS


@dataclass(frozen=True)
class JsonOutput:
    """The place that --json sends results to: a file, to stdout in place of the table, or nowhere.

    Attributes:
        path: the file; ``-`` stands for stdout; None without --json.
    """

    path: Path | None

    @property
    def replaces_table(self) -> bool:
        """Whether JSON goes to stdout, where the table would corrupt it."""
        return self.path == _STDOUT

    def write(self, document: dict) -> None:
        """Send a document whose numbers are all finite.

        Raises:
            OutputError: the file cannot be written.
        """
        if self.replaces_table:
            print_json(document)
        elif self.path is not None:
            write_json(self.path, document)


def json_option(what: str = "the results") -> Callable:
    """Add the option --json, which the command receives as ``output``, a ``JsonOutput``.

    Two files are refused before any work: one that cannot be written, and one that another parameter names too.

    Args:
        what: the contents of the file, in words for the help text.
    """

    def check(context: click.Context, _option: click.Parameter, path: Path | None) -> JsonOutput:
        if path == _STDOUT:
            context.meta[DOCUMENT_ON_STDOUT] = True
        elif path is not None:
            require_writable(path)
        return JsonOutput(path)

    option = click.option(
        "--json",
        "output",
        metavar="FILE",
        type=click.Path(path_type=Path),
        callback=check,
        help=f"Write {what} to this file as JSON. With -, print JSON to stdout in place of the table.",
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
    """Refuse a results file that another parameter names too: one would overwrite the other."""
    command = click.get_current_context().command
    parameters = {parameter.name: parameter for parameter in command.params}
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
                    f"{path}: is also the file of {called}; name another file with --json"
                )


def _is_same(path: Path, other: str | Path) -> bool:
    """Whether two paths lead to the same file, which may not exist yet."""
    try:
        return os.path.realpath(path) == os.path.realpath(other) or path.samefile(other)
    except (OSError, ValueError):  # one of them does not exist, or is not a valid path
        return False
