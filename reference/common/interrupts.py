"""Handling of Ctrl-C and of termination signals, at any moment of a command.

Python raises KeyboardInterrupt at any line of the program, and some lines cannot take it. While numpy
or torch are imported, it becomes an ImportError, is printed and dropped, or aborts the process. A ``__del__`` method or
a bare ``except:`` swallows it. So the interruption waits here until nothing is being imported, and is then raised again
and again until the command ends. If an import takes long, the process exits at once, because no work has begun yet.

The module imports only what is fast to import, since every command imports it first.
"""

import atexit
import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from types import FrameType

# Signal → the word that a command prints. SIGHUP means that the terminal was closed.
_WORDS = {
    signal.SIGINT: "interrupted",
    signal.SIGTERM: "terminated",
    getattr(signal, "SIGHUP", signal.SIGTERM): "terminated",
}
_AGAIN = 0.01  # seconds until the interruption is raised again
# Seconds that an import may take to finish. A second signal that comes later than this ends the process at once.
_PATIENCE = 1.0


class Interrupted(KeyboardInterrupt):
    """An interruption by a signal.

    KeyboardInterrupt itself is not raised, because Python may then end by the signal and ignore the exit status.
    """


class _Request:
    """The request to end, which is the same for the whole process."""

    program = ""
    number: int | None = None  # the first signal
    since = 0.0  # when it came
    heeded = False  # whether the command is ending


def watch(program: str) -> None:
    """Turn signals that ask the process to end into a KeyboardInterrupt in the main thread, from now on.

    Args:
        program: the name of the command, for error messages.
    """
    _Request.program = program
    if not hasattr(signal, "setitimer"):  # Windows keeps Python's own handling
        return
    signal.signal(signal.SIGALRM, _raise_if_possible)
    signal.siginterrupt(signal.SIGALRM, False)  # C code may not expect a read to be cut short
    for number in _WORDS:
        # A signal that is ignored stays ignored: nohup, or "command &" in a script, asked for that.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _note)
    sys.unraisablehook = _drop_interruptions
    atexit.register(_ignore)  # the interpreter's last moments


def heed() -> None:
    """Stop raising interruptions, because the command is about to end."""
    _Request.heeded = True


def was_requested() -> bool:
    """Return whether the process has been asked to end."""
    return _Request.number is not None


def ending() -> tuple[str, int]:
    """Return the word that says why the command ends, and its exit status: 128 + the signal, as in shells."""
    # Without a signal, Python itself raised KeyboardInterrupt.
    number = _Request.number or signal.SIGINT
    return _WORDS[number], 128 + number


@contextlib.contextmanager
def postponed(*numbers: int) -> Iterator[None]:
    """Postpone signals that arrive during the block to its end, so that nothing in it is left half done.

    A process that is started in the block inherits this and never receives these signals.

    Args:
        numbers: the signals. The default is all signals that can interrupt a command.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers or {signal.SIGALRM, *_WORDS})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _note(number: int, frame: FrameType | None) -> None:
    if _Request.number is None:
        _Request.number, _Request.since = number, time.monotonic()
        _raise_if_possible(number, frame)
    elif _has_waited():
        _end_at_once()


def _raise_if_possible(_number: int, frame: FrameType | None) -> None:
    if _Request.heeded:
        return
    signal.setitimer(signal.ITIMER_REAL, _AGAIN)
    if _is_unwinding():
        return
    if not _is_importing(frame):
        raise Interrupted
    if _has_waited():
        _end_at_once()


def _has_waited() -> bool:
    return time.monotonic() - _Request.since > _PATIENCE


def _end_at_once() -> None:
    word, status = ending()
    was_told = _Request.heeded
    _Request.heeded = True  # before anything is written: another signal may come at any line
    if not was_told:
        os.write(2, f"{_Request.program}: error: {word}\n".encode())
    os._exit(status)


def _drop_interruptions(unraisable: object) -> None:
    """Drop an interruption that Python cannot raise, instead of printing its traceback: it is raised again."""
    if not issubclass(unraisable.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)


def _ignore() -> None:
    for number in (signal.SIGALRM, *_WORDS):
        signal.signal(number, signal.SIG_IGN)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _is_unwinding() -> bool:
    """Return whether an earlier KeyboardInterrupt is propagating and code is cleaning up."""
    error = sys.exc_info()[1]
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None
