"""Runs an external program as a child process: another Python, or one on an emulated machine."""

import contextlib
import multiprocessing
import subprocess
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection


class ExternalProgram:
    """A ``child_process.Process`` that runs any command."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], descriptor: int
    ) -> None:
        """Start the program.

        Its output is dropped, because emulators and libraries print warnings about the machine that do
        not matter. Errors come through the connection.

        Args:
            command: the program and its arguments.
            environment: all of its environment variables.
            descriptor: file descriptor of the program's end of the connection.
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
        """Process id of the program."""
        return self._process.pid

    @property
    def exitcode(self) -> int | None:
        """Exit status; None while the program runs, negative if a signal ended it."""
        return self._process.poll()

    def join(self, timeout: float | None = None) -> None:
        """Wait until the program ends, but at most ``timeout`` seconds."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)

    def kill(self) -> None:
        """End the program at once, if it runs."""
        self._process.kill()


def start_program(
    command: Sequence[str], arguments: Sequence[str], environment: Mapping[str, str]
) -> tuple[ExternalProgram, Connection]:
    """Start an external program that is connected to this process.

    Args:
        command: the program and its first arguments. The file descriptor of its end of the connection
            is the next argument.
        arguments: the last arguments.
        environment: all environment variables of the program.

    Returns:
        The program and this process's end of the connection.

    Raises:
        OSError: the program does not exist.
    """
    connection, far_end = multiprocessing.Pipe()
    with far_end:  # only the program then holds its end, so this process notices when it ends
        try:
            program = ExternalProgram(
                [*command, str(far_end.fileno()), *arguments], environment, far_end.fileno()
            )
        except BaseException:
            connection.close()
            raise
    return program, connection
