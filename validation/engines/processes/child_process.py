"""A child process that answers requests, so that whatever crashes or hangs it harms nothing else.

Parent and child talk in ``standalone.messages``. What a crashing child says is not trusted.
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
from typing import Protocol

import numpy as np

from reference.common.bug_report import BUG
from reference.common.errors import ArtifactError, MobileSAMError
from reference.common.interrupts import postponed
from reference.common.torch_errors import first_line, is_out_of_memory
from validation.engines.base import EngineDiedError
from validation.engines.processes.standalone.messages import receive, send

START_ALLOWANCE = 120.0  # seconds to import torch on a busy machine, on top of the time limit
TEXT_LENGTH = 4000  # characters of an error; JSON takes up to 12 bytes for one
_END_ALLOWANCE = 5.0  # seconds to end after being asked to

Answer = Callable[[dict, list[np.ndarray]], tuple[dict, Iterable[np.ndarray]]]


class Process(Protocol):
    """What is used of ``multiprocessing.Process``.

    Attributes:
        exitcode: None while it runs; negative if a signal ended it.
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
        """Take over a process that was started just now.

        Args:
            process: which answers requests.
            connection: to it.
            time_limit: seconds for each answer.
            memory_limit: bytes that the child allows itself, for messages.
            endings: what it means if the child ends with a status, in words that follow "the engine".
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
        """Send a request, if any, and wait for an answer with ``count`` arrays.

        Args:
            during: what the child is asked to do, for messages.
            request: what JSON can hold.
            arrays: float32, that go with it.
            count: how many arrays the answer has.
            allowance: seconds on top of the time limit.

        Raises:
            ArtifactError: the child says that the artifact is to blame.
            EngineDiedError: the child failed, is gone, or talks nonsense; it is gone then.
        """
        if self._failure is not None:
            raise EngineDiedError(self._failure)
        limit = self._time_limit + allowance
        expired = threading.Event()
        # Killing the child ends whatever the parent waits for: to read, to write, half a message.
        deadline = threading.Timer(limit, lambda: (expired.set(), self._process.kill()))
        deadline.start()
        try:
            if request is not None:
                send(self._connection, request, arrays)
            answer, answers = receive(self._connection)
        except (EOFError, ConnectionError):
            self._die(during, self._cause_of_death(limit if expired.is_set() else None))
        except (OSError, ValueError, RecursionError) as error:
            # The end in the middle of a message is an OSError as well.
            self._process.join(_END_ALLOWANCE / 10)
            if expired.is_set() or self._process.exitcode is not None:
                self._die(during, self._cause_of_death(limit if expired.is_set() else None))
            self._die(
                during, f"gave an answer that makes no sense ({first_line(error)[:TEXT_LENGTH]})"
            )
        except BaseException:  # interrupted in the middle of a message: no more can be sent
            self._die_quietly(f"{during}: the engine was interrupted")
            raise
        finally:
            deadline.cancel()
        if answer.get("error") == "artifact":
            raise ArtifactError(str(answer.get("text")))
        if answer.get("error") == "memory":
            self._die(during, self._out_of_memory())
        if "error" in answer:
            self._die(during, f"failed ({answer.get('text')})")
        if len(answers) != count:
            self._die(during, f"gave {len(answers)} tensors: expected {count}")
        return answer, answers

    def close(self) -> None:
        """Let the child end by itself, or kill it; nothing if it is gone."""
        if self._failure is not None:
            return
        self._failure = "the engine is closed: open another one"
        self._connection.close()  # which the child takes for a request to end
        self._process.join(_END_ALLOWANCE)
        self._process.kill()
        self._process.join()

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

    def _die(self, during: str, what: str) -> None:
        self._die_quietly(f"{during}: the engine {what}")
        raise EngineDiedError(self._failure)

    def _die_quietly(self, failure: str) -> None:
        self._failure = failure
        self._process.kill()
        self._process.join()
        self._connection.close()


def spawn(serve: Callable, arguments: Sequence) -> tuple[Process, Connection]:
    """Start a process that calls ``serve(connection, *arguments)``, for ``Child``.

    As with any child of ``multiprocessing``'s spawn method, a script that does this guards its top
    level with ``if __name__ == "__main__"``.

    Args:
        serve: a function of a module, made of the functions below.
        arguments: what can be handed to a process.
    """
    # Not fork: in a copy of a process with torch's threads, the next computation can deadlock.
    context = multiprocessing.get_context("spawn")
    connection, far_end = context.Pipe()
    process = context.Process(
        target=_serve,
        args=(serve, far_end, *arguments),
        daemon=True,  # also ended when an exception ends the parent
    )
    resource_tracker.ensure_running()  # or it is started below, and unblocks what is blocked
    with postponed(
        signal.SIGINT
    ):  # a terminal sends Ctrl-C to the child as well: the parent handles it
        process.start()
    far_end.close()  # the child's end of the pipe is then the only one, and its death shows
    return process, connection


# The child's side


def _serve(serve: Callable, connection: Connection, *arguments: object) -> None:
    try:
        serve(connection, *arguments)
    except BaseException as error:  # else a traceback appears among the parent's lines
        with contextlib.suppress(OSError):
            send(connection, describe(error))
        sys.exit(BUG)


def settle_in() -> None:
    """What a child does first, before it imports anything that prints."""
    os.dup2(2, 1)  # stdout may be a document of the parent's
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle


@contextlib.contextmanager
def until_parent_closes() -> Iterator[None]:
    """Leave the block, quietly, when the pipe is closed."""
    with contextlib.suppress(EOFError, ConnectionError):
        yield


def answer_requests(connection: Connection, answer: Answer) -> None:
    """Hand each request to ``answer``, and send what it gives or why it fails; for ever."""
    while True:
        request, arrays = receive(connection)
        try:
            header, outputs = answer(request, arrays)
        except Exception as error:
            send(connection, describe(error))
        else:
            send(connection, header, outputs)


def describe(error: BaseException) -> dict:
    """A header that tells the parent of an error."""
    if is_out_of_memory(error):
        return {"error": "memory"}
    if isinstance(error, MobileSAMError):
        return {"error": "artifact", "text": str(error)[:TEXT_LENGTH]}
    return {"error": "other", "text": f"{type(error).__name__}: {first_line(error)[:TEXT_LENGTH]}"}
