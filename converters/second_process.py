"""A second process, which writes the artifacts of one format while this process writes those of the other.

Two processes are needed, because the converters of both formats hold Python's lock most of the time.
"""

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from converters.options import format_of
from reference.common.errors import ConversionError
from reference.common.interrupts import postponed
from reference.common.progress import OnStep
from reference.common.torch_settings import prepare_torch

if TYPE_CHECKING:  # the second process starts before this one imports torch
    from converters.conversion import Source
    from converters.format import Options
    from converters.mixed_precision.trade_off import OnTradeOff

# The first process has more work, and its last part runs on one core. So it gets the cores first.
_NICENESS = 10
_END_ALLOWANCE = 5.0  # seconds until a process that closes its connection has ended


class SecondProcess:
    """A process that fills artifact folders. It imports torch as soon as it is started."""

    def __init__(self) -> None:
        """Start the process."""
        # Spawned, not forked: a forked copy of a process with torch's threads can deadlock.
        context = multiprocessing.get_context("spawn")
        self._connection, far_end = context.Pipe()
        self._process = context.Process(target=_serve, args=(far_end,), daemon=True)
        # If process.start() had to start the resource tracker, it would unblock the signal blocked below.
        resource_tracker.ensure_running()
        # A terminal sends Ctrl-C to the second process too, but only the first one handles it.
        with postponed(signal.SIGINT):
            self._process.start()
        far_end.close()

    def send_source(self, source: "Source") -> None:
        """Send what all artifacts are made from."""
        # ``Connection.send`` would move the tensors to shared memory, which containers have little of.
        with self._death_explained():
            self._connection.send_bytes(pickle.dumps(source))

    def fill(
        self, options: "Options", folder: Path, on_step: OnStep, on_trade_off: "OnTradeOff"
    ) -> None:
        """Do what ``conversion.fill_artifact`` does, in the second process.

        Raises:
            ConversionError: the process has ended.
            Exception: what ``fill_artifact`` raised.
        """
        with self._death_explained():
            self._connection.send((options, folder))
            while (message := self._connection.recv()) is not None:
                if isinstance(message, Exception):
                    raise message
                if isinstance(message, str):
                    on_step(message)
                else:
                    on_trade_off(message)

    def close(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._process.join()
        self._connection.close()

    @contextlib.contextmanager
    def _death_explained(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, ConnectionError) as error:
            self._process.join(_END_ALLOWANCE)
            raise ConversionError(
                f"the process that converts the first format ended (exit status {self._process.exitcode}); "
                "if memory is full, convert one format after the other"
            ) from error


def write_side_by_side(
    second: SecondProcess,
    source: "Source",
    chosen: Sequence["Options"],
    output: Path,
    force: bool,
    on_step: OnStep,
    on_trade_off: "OnTradeOff",
    on_written: Callable[[Path], None],
) -> None:
    """Write artifacts as if one were written after the other.

    The second process converts to all formats but the last one. The artifacts of the last format appear only after all
    others. If several artifacts fail, the error is that of the first one.

    Args:
        second: the second process. It is ended.
        source: the loaded checkpoint.
        chosen: the options of each artifact. Those of the same format follow each other.
        output: the folder in which the artifact folders are created.
        force: whether to replace artifact folders that exist.
        on_step: called with the name of each step when it begins, by two threads.
        on_trade_off: called with each choice of formats that the scheme ``auto`` tried, by two threads.
        on_written: called with each folder that has been written.

    Raises:
        ConversionError, OutputError: those of ``write_artifact``.
    """
    from converters.conversion import fill_artifact, staged_artifact

    there = [options for options in chosen if format_of(options) != format_of(chosen[-1])]
    here = chosen[len(there) :]

    def write_there() -> None:
        second.send_source(source)
        for options in there:
            with staged_artifact(source, options, output, force) as (folder, partial):
                second.fill(options, partial, on_step, on_trade_off)
            on_written(folder)

    with ThreadPoolExecutor(max_workers=1) as pool, contextlib.closing(second):
        others = pool.submit(write_there)
        try:
            for options in here:
                with staged_artifact(source, options, output, force) as (folder, partial):
                    fill_artifact(source, options, partial, on_step, on_trade_off)
                    others.result()
                on_written(folder)
        except Exception:
            others.result()
            raise


# The second process's side


def _serve(connection: Connection) -> None:
    os.dup2(2, 1)  # the first process may write a document to stdout
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(_NICENESS)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    prepare_torch()
    from converters.conversion import fill_artifact

    with contextlib.suppress(EOFError, ConnectionError):
        source = pickle.loads(connection.recv_bytes())
        while True:
            options, folder = connection.recv()
            try:
                fill_artifact(source, options, folder, connection.send, connection.send)
            except Exception as error:
                # A bug is reported by the first process, which does not have this traceback.
                error.add_note("".join(traceback.format_exception(error)))
                connection.send(error)
            else:
                connection.send(None)


def _end_with_parent() -> None:
    """End this process if the first one is killed: another run may take over the folder that is being filled."""
    multiprocessing.parent_process().join()
    os._exit(1)
