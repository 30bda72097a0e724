"""A child process that answers requests, and may crash or hang without harm to its parent.

Parent and child exchange ``standalone.messages``. A crashing child may send anything, so the
parent checks every answer.
"""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from typing import NoReturn, Protocol

import numpy as np

from reference.common.bug_report import BUG
from reference.common.errors import ArtifactError, MobileSAMError
from reference.common.interrupts import postponed
from reference.common.torch_errors import first_line, is_out_of_memory
from validation.engines.base import EngineDiedError
from validation.engines.processes.standalone.messages import receive, send

START_ALLOWANCE = 120.0  # seconds beyond the time limit, to import torch on a busy machine
TEXT_LENGTH = 4000  # characters of an error message; JSON takes up to 12 bytes for one
_END_ALLOWANCE = 5.0  # seconds in which a child has to end after being asked to

Answer = Callable[[dict, list[np.ndarray]], tuple[dict, Iterable[np.ndarray]]]


class Process(Protocol):
    """The part of ``multiprocessing.Process`` that ``Child`` uses.

    Attributes:
        exitcode: exit status; None while the process runs, negative if a signal ended it.
    """

    exitcode: int | None

    def join(self, timeout: float | None = None) -> None: ...

    def kill(self) -> None: ...


class Child:
    """The parent's side of one child process."""

    def __init__(
        self,
        process: Process,
        connection: Connection,
        time_limit: float,
        memory_limit: int | None = None,
        endings: Mapping[int, str] | None = None,
    ) -> None:
        """Take over a process that has just been started.

        Args:
            process: the process that answers requests.
            connection: the parent's end of the connection to it.
            time_limit: seconds for each answer.
            memory_limit: bytes to which the child limits itself, for error messages.
            endings: exit status of the child → its meaning, in words that follow "the engine".
        """
        self._time_limit, self._memory_limit = time_limit, memory_limit
        self._endings = endings or {}
        self._failure: str | None = None
        self._process, self._connection = process, connection

    def ask(
        self,
        during: str,
        request: dict | None,
        arrays: Iterable[np.ndarray],
        count: int,
        allowance: float = 0.0,
    ) -> tuple[dict, list[np.ndarray]]:
        """Send a request and wait for its answer.

        Args:
            during: what the child is asked to do, for error messages.
            request: values that JSON can represent; None sends nothing and only waits.
            arrays: float32 arrays that belong to the request.
            count: number of arrays that the answer has to have.
            allowance: seconds beyond the time limit.

        Returns:
            The header of the answer and its arrays.

        Raises:
            ArtifactError: the child reports an error of the artifact.
            EngineDiedError: the child failed, ended, or sent something that is not an answer. It has
                been ended then.
        """
        if self._failure is not None:
            raise EngineDiedError(self._failure)
        answer, answers = self._exchange(during, request, arrays, self._time_limit + allowance)
        if answer.get("error") == "artifact":
            raise ArtifactError(str(answer.get("text")))
        if answer.get("error") == "memory":
            self._die(during, self._out_of_memory())
        if "error" in answer:
            self._die(during, f"failed ({answer.get('text')})")
        if len(answers) != count:
            self._die(during, f"gave {len(answers)} tensors: expected {count}")
        return answer, answers

    def _exchange(
        self, during: str, request: dict | None, arrays: Iterable[np.ndarray], limit: float
    ) -> tuple[dict, list[np.ndarray]]:
        """Send a request and receive its answer. A child that gives none within ``limit`` seconds is ended."""
        expired = threading.Event()

        # With the child killed, the parent stops waiting, whether it reads, writes or has half a message.
        def end_child() -> None:
            expired.set()
            self.kill_process()

        deadline = threading.Timer(limit, end_child)
        deadline.start()
        try:
            if request is not None:
                send(self._connection, request, arrays)
            return receive(self._connection)
        except (EOFError, ConnectionError):
            self._die(during, self._cause_of_death(limit if expired.is_set() else None))
        except (OSError, ValueError, RecursionError) as error:
            # A child that ends in the middle of a message causes an OSError too.
            self._process.join(_END_ALLOWANCE / 10)
            if expired.is_set() or self._process.exitcode is not None:
                self._die(during, self._cause_of_death(limit if expired.is_set() else None))
            self._die(during, f"gave an invalid answer ({first_line(error)[:TEXT_LENGTH]})")
        except BaseException:  # interrupted in the middle of a message, so no other can follow
            self._die_quietly(f"{during}: the engine was interrupted")
            raise
        finally:
            deadline.cancel()

    def close(self) -> None:
        """Let the child end by itself, or kill it if it does not. A child that is gone is left alone."""
        if self._failure is not None:
            return
        self._failure = "the engine is closed: open another one"
        self._connection.close()  # the child takes this as a request to end
        self._process.join(_END_ALLOWANCE)
        self._process.kill()
        self._process.join()

    def kill(self) -> None:
        """End the child at once. A child that is gone is left alone."""
        if self._failure is None:
            self._die_quietly("the engine is closed: open another one")

    def kill_process(self) -> None:
        """End the child at once, from any thread. A thread that waits for its answer gets EngineDiedError."""
        self._process.kill()

    def _cause_of_death(self, expired_limit: float | None) -> str:
        self._process.join(_END_ALLOWANCE)
        code = self._process.exitcode
        if expired_limit is not None:
            return f"gave no answer within {expired_limit:g} s"
        if code in self._endings:
            return self._endings[code]
        if code is None:
            return "broke the connection"
        if code < 0:
            return f"crashed ({signal.Signals(-code).name})"
        return f"ended by itself (exit status {code})"

    def _out_of_memory(self) -> str:
        if self._memory_limit is None:
            return "ran out of memory"
        return f"ran out of memory (limit {self._memory_limit / 1e9:.1f} GB)"

    def _die(self, during: str, what: str) -> NoReturn:
        self._die_quietly(f"{during}: the engine {what}")
        raise EngineDiedError(self._failure)

    def _die_quietly(self, failure: str) -> None:
        self._failure = failure
        self._process.kill()
        self._process.join()
        self._connection.close()


def spawn(serve: Callable, arguments: Sequence) -> tuple[Process, Connection]:
    """Start a process that calls ``serve(connection, *arguments)``, for ``Child``.

    As with any child that ``multiprocessing`` spawns, a script that calls this has to guard its top
    level with ``if __name__ == "__main__"``.

    Args:
        serve: a module-level function that uses the functions for the child's side below.
        arguments: values that can be pickled.

    Returns:
        The process and the parent's end of the connection.
    """
    # Spawned, not forked: a forked copy of a process with torch's threads can deadlock.
    context = multiprocessing.get_context("spawn")
    connection, far_end = context.Pipe()
    process = context.Process(
        target=_serve,
        args=(serve, far_end, *arguments),
        daemon=True,  # so that it also ends when an exception ends the parent
    )
    # If process.start() had to start the resource tracker, it would unblock the signals blocked below.
    resource_tracker.ensure_running()
    # A terminal sends Ctrl-C to the child too, but only the parent handles it.
    with postponed(signal.SIGINT):
        process.start()
    # Only the child now holds its end of the pipe, so the parent notices when the child ends.
    far_end.close()
    return process, connection


# The child's side


def _serve(serve: Callable, connection: Connection, *arguments: object) -> None:
    try:
        serve(connection, *arguments)
    except BaseException as error:  # otherwise a traceback appears among the parent's output
        with contextlib.suppress(OSError):
            send(connection, describe(error))
        sys.exit(BUG)


def settle_in() -> None:
    """Redirect output and ignore Ctrl-C. A child calls this before it imports anything that prints."""
    os.dup2(2, 1)  # the parent may be writing a document to stdout
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C


@contextlib.contextmanager
def until_parent_closes() -> Iterator[None]:
    """Leave the block without an error when the parent closes the pipe."""
    with contextlib.suppress(EOFError, ConnectionError):
        yield


def answer_requests(connection: Connection, answer: Answer) -> None:
    """Pass each request to ``answer``, and send its result or its error. Does not return."""
    while True:
        request, arrays = receive(connection)
        try:
            header, outputs = answer(request, arrays)
        except Exception as error:
            send(connection, describe(error))
        else:
            send(connection, header, outputs)


def describe(error: BaseException) -> dict:
    """The header of a message that reports an error to the parent."""
    if is_out_of_memory(error):
        return {"error": "memory"}
    if isinstance(error, MobileSAMError):
        return {"error": "artifact", "text": str(error)[:TEXT_LENGTH]}
    return {"error": "other", "text": f"{type(error).__name__}: {first_line(error)[:TEXT_LENGTH]}"}
