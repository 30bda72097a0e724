"""A program in place of a child process of Python's own: it may be of another Python, or another machine."""

import contextlib
import multiprocessing
import subprocess
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection


class Program:
    """A ``child_process.Process`` that runs any command."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], descriptor: int
    ) -> None:
        """Start it, with ``descriptor`` open in it; what it prints is dropped.

        Emulators and libraries complain of what they do not know of the machine; what matters comes
        through the connection.
        """
        self._process = subprocess.Popen(
            command,
            env=environment,
            pass_fds=(descriptor,),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    @property
    def pid(self) -> int:
        """Its process's number."""
        return self._process.pid

    @property
    def exitcode(self) -> int | None:
        """See ``child_process.Process``."""
        return self._process.poll()

    def join(self, timeout: float | None = None) -> None:
        """Wait until it ends, or ``timeout`` seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)

    def kill(self) -> None:
        """End it at once, if it runs."""
        self._process.kill()


def start_program(
    command: Sequence[str], arguments: Sequence[str], environment: Mapping[str, str]
) -> tuple[Program, Connection]:
    """Run ``command`` with the number of its end of a connection, and then ``arguments``.

    Raises:
        OSError: there is no such program.
    """
    connection, far_end = multiprocessing.Pipe()
    with far_end:  # the program's end is then the only one, and its death shows
        try:
            program = Program(
                [*command, str(far_end.fileno()), *arguments], environment, far_end.fileno()
            )
        except BaseException:
            connection.close()
            raise
    return program, connection
