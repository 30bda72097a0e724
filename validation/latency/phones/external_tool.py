"""Programs of others, such as adb and xcodebuild: run with a time limit, and quoted with care."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reference.common.errors import MobileSAMError
from reference.common.plain_text import shorten

_QUOTED_LENGTH = 400  # characters of a program's output that an error message repeats


class ToolError(MobileSAMError):
    """A program that is not there, does not start, or does not end in time."""


@dataclass(frozen=True)
class Outcome:
    """How a program ended, and what it printed."""

    status: int
    stdout: str
    stderr: str

    @property
    def complaint(self) -> str:
        """What a failed program said is wrong: its first line of an error, or its last."""
        lines = [*self.stderr.splitlines(), *self.stdout.splitlines()]
        lines = [line.strip() for line in lines if line.strip()]
        errors = [line for line in lines if "error" in line.lower()]
        return quote([*errors, *reversed(lines), f"exit status {self.status}"][0])


def run_tool(
    arguments: Sequence[str], time_limit: float, environment: Mapping[str, str] | None = None
) -> Outcome:
    """Run a program, without a shell, until it ends.

    Args:
        arguments: its name and its arguments.
        time_limit: seconds, after which it is ended.
        environment: variables on top of this process's own.

    Raises:
        ToolError: it cannot be started, or was ended.
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
    return Outcome(done.returncode, *decoded)


def quote(text: str) -> str:
    """A program's words for a message: one line, nothing that a terminal would obey, and not long."""
    return shorten(text.strip(), _QUOTED_LENGTH)
