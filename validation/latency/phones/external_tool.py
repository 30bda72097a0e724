"""Runs other programs, such as adb and xcodebuild, with a time limit, and quotes their output safely."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reference.common.errors import MobileSAMError
from reference.common.plain_text import shorten

_QUOTED_LENGTH = 400  # characters of a program's output that an error message repeats


class ToolError(MobileSAMError):
    """A program is missing, does not start, or does not end in time."""


@dataclass(frozen=True)
class ToolOutcome:
    """A program's exit status and output."""

    status: int
    stdout: str
    stderr: str

    @property
    def complaint(self) -> str:
        """The line in which a failed program explains itself: the first with "error", or the last one."""
        lines = [*self.stderr.splitlines(), *self.stdout.splitlines()]
        lines = [line.strip() for line in lines if line.strip()]
        errors = [line for line in lines if "error" in line.lower()]
        return quote([*errors, *reversed(lines), f"exit status {self.status}"][0])


def run_tool(
    arguments: Sequence[str], time_limit: float, environment: Mapping[str, str] | None = None
) -> ToolOutcome:
    """Run a program, without a shell, until it ends.

    Args:
        arguments: the program's name and its arguments.
        time_limit: the seconds after which the program is ended.
        environment: environment variables in addition to this process's.

    Raises:
        ToolError: the program cannot be started, or reached its time limit.
    """
    try:
        done = subprocess.run(
            arguments,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={**os.environ, **(environment or {})},
            timeout=time_limit,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ToolError(f"{arguments[0]} did not end within {time_limit:g} s") from None
    except OSError as error:
        raise ToolError(f"{arguments[0]} cannot be run ({error.strerror or error})") from None
    decoded = (text.decode("utf-8", "replace") for text in (done.stdout, done.stderr))
    return ToolOutcome(done.returncode, *decoded)


def quote(text: str) -> str:
    """Make a program's output fit for a message: one short line without control characters."""
    return shorten(text.strip(), _QUOTED_LENGTH)
