"""Running a command: exit statuses, error messages, and printing results."""

import contextlib
import errno
import json
import math
import os
import shlex
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NoReturn

import click

from reference.common import interrupts
from reference.common.bug_report import BUG, report_bug
from reference.common.errors import MobileSAMError, OutputError
from reference.common.plain_text import as_line, tell
from reference.common.torch_errors import is_out_of_memory

# Keys in a click context's meta.
COMMAND_LINE = "command_line"  # the command as a shell takes it
DOCUMENT_ON_STDOUT = "document_on_stdout"  # whether a program reads stdout

# click remembers a command's help option from the first context that it is used with.
HELP_OPTIONS = ["-h", "--help"]

# Exit statuses. The others are 0 (done), 1 (a gate failed), BUG, and those of reference.common.interrupts.
BAD_INPUT = 2
BROKEN_PIPE = 141  # 128 + SIGPIPE, as shells report it


def run(command: click.Command, arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit. This is the one place where an error becomes a line on stderr and an exit status.

    The callback of the command returns None or 0 on success, or another status, such as 1 for a failed gate. Bad
    usage and bad input print one line, ``PROG: error: …``, and exit with 2. An unexpected error prints such a line
    too, writes its traceback to a file, and exits with 70.

    Args:
        command: the command to run. Its name is the name of the program.
        arguments: the arguments, in place of those that the process was started with.
    """
    # Users can do nothing about torch's C++ warnings.
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    try:
        status = _run(command, list(sys.argv[1:] if arguments is None else arguments))
    except (KeyboardInterrupt, click.Abort):
        interrupts.heed()
        status = _fail(command, *interrupts.ending())
    _drop_unwritten_output()
    sys.exit(status)


def _run(command: click.Command, arguments: list[str]) -> int:
    """Run the command and return its exit status. Errors are printed; only interruptions are raised."""
    try:
        with _failures_of_threads() as failures:
            status = _invoke(command, arguments)
        if failures:
            raise failures[0]
        sys.stdout.flush()  # a full disk or a closed pipe must show here, not at the interpreter's end
        interrupts.heed()
    except (KeyboardInterrupt, click.Abort):
        raise
    except BaseException as error:
        # A library may have turned the interruption into another error.
        if interrupts.was_requested():
            raise KeyboardInterrupt from error
        interrupts.heed()
        # The reader, such as head, stopped reading.
        if getattr(error, "errno", None) == errno.EPIPE:
            return BROKEN_PIPE
        message = _message(error, command)
        if message is None:
            return _fail(command, report_bug(command.name, error), BUG)
        return _fail(command, message)
    return status


@contextlib.contextmanager
def _failures_of_threads() -> Iterator[list[BaseException]]:
    """Collect the errors that other threads raise during the block and nothing catches."""
    failures: list[BaseException] = []
    before = threading.excepthook
    threading.excepthook = lambda failure: failures.append(failure.exc_value)
    try:
        yield failures
    finally:
        threading.excepthook = before


def _invoke(command: click.Command, arguments: list[str]) -> int:
    """Parse the arguments and call the command, without catching errors.

    ``command.main(standalone_mode=False)`` does not fit: on a broken pipe it exits with status 1, which means a
    failed gate here, and on Ctrl-C it prints an empty line.
    """
    # Without this, click prints the whole help.
    if isinstance(command, click.Group) and not arguments:
        with click.Context(command, info_name=command.name) as context:
            names = ", ".join(command.list_commands(context))
            raise click.UsageError(f"Missing command: expected one of {names}", context)
    # Only a program can pass a null character; shells cannot.
    if any("\0" in argument for argument in arguments):
        raise click.UsageError("An argument contains a null character: remove it")
    line = shlex.join([command.name, *arguments])
    try:
        with command.make_context(
            command.name, arguments, help_option_names=HELP_OPTIONS
        ) as context:
            context.meta[COMMAND_LINE] = line
            return command.invoke(context) or 0
    except click.exceptions.Exit as done:  # --help, --version
        return done.exit_code


def _message(error: BaseException, command: click.Command) -> str | None:
    """Return the message of an expected error, and None for an unexpected one."""
    if isinstance(error, MobileSAMError):
        return str(error)
    if isinstance(error, click.UsageError):
        # The message and a pointer to --help are shorter than the usage text. Some errors have no context.
        path = error.ctx.command_path if error.ctx else command.name
        return f"{error.format_message().rstrip('.')}; try '{path} --help'"
    if isinstance(error, click.ClickException):
        return error.format_message()
    if is_out_of_memory(error):
        return "out of memory: use a smaller photo, or a machine with more memory"
    if isinstance(error, OSError):
        reason = error.strerror or str(error) or type(error).__name__
        return f"{error.filename}: {reason}" if error.filename else reason
    return None


def _fail(command: click.Command, message: str, status: int = BAD_INPUT) -> int:
    tell(f"{command.name}: error: {message}")
    return status


def warn(message: str) -> None:
    """Print a warning on stderr, in one line. The work goes on."""
    tell(f"warning: {message}")


def note(message: str) -> None:
    """Print on stderr, in one line, what was decided for the user."""
    tell(f"note: {message}")


def _drop_unwritten_output() -> None:
    """Keep the interpreter's last flush from failing again with a traceback."""
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError), open(os.devnull, "w") as nowhere:  # noqa: PTH123  os.devnull is a text
            os.dup2(nowhere.fileno(), sys.stdout.fileno())


class FiniteRange(click.FloatRange):
    """A range of finite numbers. Click's own range accepts NaN, and infinity where it is open."""

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Convert a string or a number to a finite float in the range."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"'{value}' is not a finite number", param, ctx)
        return number


def version_option(command: Callable) -> Callable:
    """Add --version, which prints the version of this package, to a click command."""
    return click.version_option(package_name="mobile-sam-export")(command)


def print_lines(lines: Iterable[str]) -> None:
    """Print lines on stdout. Line ends and control characters inside a line, as in file names, are escaped."""
    click.echo("\n".join(map(as_line, lines)))


def print_json(document: object) -> None:
    """Print one JSON document on stdout.

    Raises:
        OutputError: the document contains NaN or infinity, which JSON does not have.
    """
    try:
        text = json.dumps(document, indent=2, allow_nan=False)
    except ValueError as error:
        raise OutputError(
            f"the result cannot be written as JSON ({error}): expected finite numbers"
        ) from None
    print(text)
