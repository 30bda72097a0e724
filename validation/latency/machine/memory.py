"""How much memory a process uses over time and at most, and a limit that ends it as a phone would."""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

OVER_LIMIT_STATUS = 77  # exit status of a process that reached its limit
_LOOK_EVERY = 0.02  # seconds; the kernel keeps the peak, so that a short one is not missed
_SAMPLE_EVERY = 0.05  # seconds; a sample takes 0.02 ms, too little to show in a time
MOST_SAMPLES = 500  # of one stretch, which a plot is wide enough for, and a message long enough
_RESIDENT = Path("/proc/self/statm")
_PROCESSES = Path("/proc")
_CLEAR_PEAK = "5"  # proc(5)


def peak_memory() -> int:
    """Bytes that this process has had in memory at most.

    On Linux not what ``getrusage`` says, which begins with the parent's peak.
    """
    peak = peak_memory_of("self")
    if peak is not None:
        return peak
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes, on macOS


def peak_memory_of(process: int | str) -> int | None:
    """Bytes that a process has had in memory at most; None if it is gone, or the system does not tell."""
    try:
        status = (_PROCESSES / str(process) / "status").read_text()
    except OSError:
        return None
    peaks = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(peaks[0].split()[1]) * 1024 if peaks else None


def resident_memory() -> int | None:
    """Bytes that this process has in memory now; None if the system does not tell."""
    try:
        return int(_RESIDENT.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


class MemorySamples:
    """Memory over time: as many samples as a plot needs, however long it takes.

    Attributes:
        samples: (seconds, bytes), in order of time.
    """

    def __init__(self) -> None:
        self.samples: list[tuple[float, int]] = []

    def add(self, samples: Iterable[tuple[float, int]]) -> None:
        """Append; of too many samples the larger one of each two is kept, so that no peak is lost."""
        self.samples += samples
        while len(self.samples) > MOST_SAMPLES:
            pairs = range(0, len(self.samples), 2)
            self.samples = [max(self.samples[i : i + 2], key=lambda item: item[1]) for i in pairs]


@contextlib.contextmanager
def sampled_memory(into: MemorySamples) -> Iterator[None]:
    """Sample this process's memory while the block runs, at its start and at its end too.

    Seconds count from the block's start. Where the system does not tell there are no samples.
    """
    start, done = time.perf_counter(), threading.Event()

    def sample() -> None:
        resident = resident_memory()
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
    """Let this process's peak begin again at what is used now, where the system can do that."""
    forget_peak_of("self")


def forget_peak_of(process: int | str) -> None:
    """``forget_peak`` of another process, of the same user."""
    with contextlib.suppress(OSError):
        (_PROCESSES / str(process) / "clear_refs").write_text(_CLEAR_PEAK)


def can_limit() -> bool:
    """Whether ``end_above`` works on this system."""
    return sys.platform == "linux"


def end_above(limit: int) -> None:
    """End this process, as a phone ends an app, once its memory has been above ``limit`` bytes.

    Counted is memory in use, as phones count it. A limit of address space (RLIMIT_AS) is another
    thing: torch alone reserves some GB that it never touches; Linux ignores RLIMIT_RSS, and a control
    group takes root. With no warning and no exception: a phone gives none either.
    """

    def watch() -> None:
        while peak_memory() <= limit:
            time.sleep(_LOOK_EVERY)
        os._exit(OVER_LIMIT_STATUS)

    threading.Thread(target=watch, daemon=True).start()
