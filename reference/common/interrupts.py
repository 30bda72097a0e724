"""Ctrl-C, and being told to end, whenever it happens.

Python raises KeyboardInterrupt wherever the program is just then, and some places cannot take it. While numpy or
torch are imported, it becomes an ImportError, is printed and dropped, or aborts the process; a ``__del__`` method
or a bare ``except:`` swallows it. So here it waits until nothing is being imported, and is raised again until it is
heeded. An import that takes long comes before any work: the process is then ended without further ado.

Nothing is imported that takes time: this is the first that a command imports.
"""

import atexit
import contextlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from types import FrameType

# The signal → what a command says of it. SIGHUP: the terminal was closed.
_WORDS = {
    signal.SIGINT: "interrupted",
    signal.SIGTERM: "terminated",
    getattr(signal, "SIGHUP", signal.SIGTERM): "terminated",
}
_AGAIN = 0.01  # seconds until it is tried again to raise
_PATIENCE = 1.0  # seconds: for an import to be done; before asking again means "at once"


class Interrupted(KeyboardInterrupt):
    """Of a class of its own: for KeyboardInterrupt itself Python may end by the signal, in spite of its exit status."""


class _Request:
    """To end: which signal came first, when, and whether the command is ending; the process has one."""

    program = ""
    number: int | None = None
    since = 0.0
    heeded = False


def watch(program: str) -> None:
    """From now on, signals that ask the process to end become a KeyboardInterrupt, in the main thread.

    Args:
        program: what the user calls it.
    """
    _Request.program = program
    if not hasattr(signal, "setitimer"):  # Windows: Python's own way has to do
        return
    signal.signal(signal.SIGALRM, _raise_if_possible)
    signal.siginterrupt(signal.SIGALRM, False)  # C code may not expect a read to be cut short
    for number in _WORDS:
        # One that is ignored stays so: nohup, or a script's "command &", asked for that.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _note)
    sys.unraisablehook = _drop_interruptions
    atexit.register(_ignore)  # the interpreter's last moments


def heed() -> None:
    """The command is about to end: nothing is raised any more."""
    _Request.heeded = True


def was_requested() -> bool:
    """Whether the process has been asked to end."""
    return _Request.number is not None


def ending() -> tuple[str, int]:
    """The word that says why the command ends, and its exit status, as shells report it: 128 + the signal."""
    number = _Request.number or signal.SIGINT  # none: a KeyboardInterrupt of Python's own
    return _WORDS[number], 128 + number


@contextlib.contextmanager
def postponed(*numbers: int) -> Iterator[None]:
    """Signals that arrive during this block are handled at its end, so that nothing in it is left half done.

    A process that is started in the block inherits this: it never receives these signals.

    Args:
        numbers: the signals; if none is given, all that can interrupt a command.
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
    """In place of a traceback on stderr: it is raised again."""
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
    """Whether an earlier KeyboardInterrupt is on its way out, and something is being tidied up."""
    error = sys.exc_info()[1]
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None
