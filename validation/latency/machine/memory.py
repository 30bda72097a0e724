"""Measures a process's memory over time and its peak, and can end the process at a limit as phones do."""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

OVER_LIMIT_STATUS = 77  # exit status of a process that reached its limit
_LOOK_EVERY = 0.02  # seconds; the kernel remembers the peak, so a short one is not missed
_SAMPLE_EVERY = 0.05  # seconds; a sample takes 0.02 ms, too little to affect a time
MOST_SAMPLES = 500  # per stretch of time, which fit into a plot
_PROCESSES = Path("/proc")
_CLEAR_PEAK = "5"  # resets the peak when it is written to clear_refs: see proc(5)


def peak_memory() -> int:
    """Return this process's peak memory in bytes.

    On Linux ``getrusage`` is not used, because its value starts at the parent's peak.
    """
    peak = peak_memory_of("self")
    if peak is not None:
        return peak
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes, on macOS


def peak_memory_of(process: int | str) -> int | None:
    """Return a process's peak memory in bytes; None if it has ended, or the system does not report it."""
    try:
        status = (_PROCESSES / str(process) / "status").read_text()
    except OSError:
        return None
    peaks = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(peaks[0].split()[1]) * 1024 if peaks else None


def resident_memory(process: int | str = "self") -> int | None:
    """Return the bytes that a process has in memory now; None if it has ended, or the system does not report it."""
    try:
        pages = int((_PROCESSES / str(process) / "statm").read_text().split()[1])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") or None  # a process that has just ended has none


class MemorySamples:
    """Memory over time, in at most MOST_SAMPLES samples however long the time is.

    Attributes:
        samples: pairs of (seconds, bytes), in order of time.
    """

    def __init__(self) -> None:
        self.samples: list[tuple[float, int]] = []

    def add(self, samples: Iterable[tuple[float, int]]) -> None:
        """Append samples. If there are too many, keep the larger of each two, so that no peak is lost."""
        self.samples += samples
        while len(self.samples) > MOST_SAMPLES:
            pairs = range(0, len(self.samples), 2)
            self.samples = [max(self.samples[i : i + 2], key=lambda item: item[1]) for i in pairs]


@contextlib.contextmanager
def sampled_memory(process: int, into: MemorySamples) -> Iterator[None]:
    """Sample the memory of another process while the block runs, and also at its start and its end.

    The process cannot do this itself: the lite interpreter holds Python's lock while it runs, so no other thread of
    its process does. Seconds count from the block's start. A system that does not report memory, such as macOS, gives
    no samples.
    """
    start, done = time.perf_counter(), threading.Event()

    def sample() -> None:
        resident = resident_memory(process)
        if resident is not None:
            into.add([(time.perf_counter() - start, resident)])

    def watch() -> None:
        while not done.wait(_SAMPLE_EVERY):
            sample()

    sample()
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
        sample()


def forget_peak() -> None:
    """Reset this process's peak to the memory in use now, on systems that can do that."""
    forget_peak_of("self")


def forget_peak_of(process: int | str) -> None:
    """Reset the peak of another process of the same user."""
    with contextlib.suppress(OSError):
        (_PROCESSES / str(process) / "clear_refs").write_text(_CLEAR_PEAK)


def can_limit() -> bool:
    """Return whether ``end_above`` works on this system."""
    return sys.platform == "linux"


def end_above(limit: int) -> None:
    """End this process once its memory has been above ``limit`` bytes, as a phone ends an app.

    As on phones, memory in use counts, and the process gets neither a warning nor an exception.
    The system's own limits do not fit: RLIMIT_AS bounds address space, of which torch reserves
    several GB that it never touches; Linux ignores RLIMIT_RSS; and control groups need root.
    """

    def watch() -> None:
        while peak_memory() <= limit:
            time.sleep(_LOOK_EVERY)
        os._exit(OVER_LIMIT_STATUS)

    threading.Thread(target=watch, daemon=True).start()
