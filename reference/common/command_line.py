"""What ``segment``, ``convert`` and ``validate`` have in common: errors, prompts and output."""

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

COMMAND_LINE = "command_line"  # in a click context's meta: what was typed, as a shell takes it

# Exit statuses, beside 0 (done), 1 (a gate failed), BUG, and those of reference.common.interrupts.
BAD_INPUT = 2
BROKEN_PIPE = 141  # 128 + SIGPIPE, as shells report it


def run(command: click.Command, arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and exit: the one place where errors become a line on stderr and a status.

    The command's callback returns None or 0 when all went well, or another status, such as 1 for a
    gate that failed. Bad usage and bad input end in ``PROG: error: …``, one line, and status 2; so does
    what nobody foresaw, in status 70, with its traceback in a file.

    Args:
        command: what to run; its name is the program's.
        arguments: in place of those that the process was started with.
    """
    os.environ.setdefault(
        "TORCH_CPP_LOG_LEVEL", "ERROR"
    )  # its warnings name no remedy of the user's
    try:
        status = _run(command, list(sys.argv[1:] if arguments is None else arguments))
    except (KeyboardInterrupt, click.Abort):
        interrupts.heed()
        status = _fail(command, *interrupts.ending())
    _drop_unwritten_output()
    sys.exit(status)


def _run(command: click.Command, arguments: list[str]) -> int:
    """The exit status; whatever else than an interruption is raised has been told to the user."""
    try:
        with _failures_of_threads() as failures:
            status = _invoke(command, arguments)
        if failures:
            raise failures[0]
        sys.stdout.flush()  # so that a full disk or a closed pipe shows here, not after the end
        interrupts.heed()
    except (KeyboardInterrupt, click.Abort):
        raise
    except BaseException as error:
        if (
            interrupts.was_requested()
        ):  # and lost on its way, in a library that made this error of it
            raise KeyboardInterrupt from error
        interrupts.heed()
        if getattr(error, "errno", None) == errno.EPIPE:  # the reader, such as head, has enough
            return BROKEN_PIPE
        message = _message(error, command)
        if message is None:
            return _fail(command, report_bug(command.name, error), BUG)
        return _fail(command, message)
    return status


@contextlib.contextmanager
def _failures_of_threads() -> Iterator[list[BaseException]]:
    """What other threads raise meanwhile, and nobody catches."""
    failures: list[BaseException] = []
    before = threading.excepthook
    threading.excepthook = lambda failure: failures.append(failure.exc_value)
    try:
        yield failures
    finally:
        threading.excepthook = before


def _invoke(command: click.Command, arguments: list[str]) -> int:
    """Parse and call, letting errors out.

    Not ``command.main(standalone_mode=False)``, which itself exits, with a failed gate's status, on
    a broken pipe, and prints an empty line on Ctrl-C.
    """
    if isinstance(command, click.Group) and not arguments:  # else click answers with all its help
        with click.Context(command, info_name=command.name) as context:
            names = ", ".join(command.list_commands(context))
            raise click.UsageError(f"Missing command: expected one of {names}", context)
    if any("\0" in argument for argument in arguments):  # from a program: no shell can pass one
        raise click.UsageError("An argument has a null character: expected none")
    line = shlex.join([command.name, *arguments])
    try:
        with command.make_context(
            command.name, arguments, help_option_names=["-h", "--help"]
        ) as context:
            context.meta[COMMAND_LINE] = line
            return command.invoke(context) or 0
    except click.exceptions.Exit as done:  # --help, --version
        return done.exit_code


def _message(error: BaseException, command: click.Command) -> str | None:
    """What an expected error tells the user; None for an unexpected one."""
    if isinstance(error, MobileSAMError):
        return str(error)
    if isinstance(error, click.UsageError):
        # The message and where to read more, not the usage text. Some carry no context.
        path = error.ctx.command_path if error.ctx else command.name
        return f"{error.format_message().rstrip('.')}; try '{path} --help'"
    if isinstance(error, click.ClickException):
        return error.format_message()
    if is_out_of_memory(error):
        return "out of memory: expected more of it, or a smaller photo"
    if isinstance(error, OSError):
        reason = error.strerror or str(error) or type(error).__name__
        return f"{error.filename}: {reason}" if error.filename else reason
    return None


def _fail(command: click.Command, message: str, status: int = BAD_INPUT) -> int:
    tell(f"{command.name}: error: {message}")
    return status


def warn(message: str) -> None:
    """Tell the user something that does not stop the work, in one line on stderr."""
    tell(f"warning: {message}")


def note(message: str) -> None:
    """Tell the user what was decided for them, in one line on stderr."""
    tell(f"note: {message}")


def _drop_unwritten_output() -> None:
    """Spare the interpreter's last flush from failing again, with a traceback."""
    try:
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError), open(os.devnull, "w") as nowhere:  # noqa: PTH123
            os.dup2(nowhere.fileno(), sys.stdout.fileno())


class FiniteRange(click.FloatRange):
    """Click's range, for numbers alone: click lets NaN pass any, and infinity one without an end."""

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """A string, or a number, as a finite float in the range."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"'{value}' is not a finite number", param, ctx)
        return number


def version_option(command: Callable) -> Callable:
    """Add --version, of the package."""
    return click.version_option(package_name="mobile-sam-export")(command)


def print_lines(lines: Iterable[str]) -> None:
    """Print a table, or whatever else has names of files in it, on stdout: each as one line, whatever it holds."""
    click.echo("\n".join(map(as_line, lines)))


def print_json(document: object) -> None:
    """Print one JSON document on stdout.

    Raises:
        OutputError: a number in it is NaN or infinite, which JSON does not have.
    """
    try:
        text = json.dumps(document, indent=2, allow_nan=False)
    except ValueError as error:
        raise OutputError(
            f"a result that JSON cannot hold ({error}): expected finite numbers"
        ) from None
    print(text)
