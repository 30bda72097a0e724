"""How much memory a process has used at most, and a limit that ends it as a phone would."""

import contextlib
import os
import sys
import threading
import time
from pathlib import Path

OVER_LIMIT_STATUS = 77  # exit status of a process that reached its limit
_LOOK_EVERY = 0.02  # seconds; the kernel keeps the peak, so that a short one is not missed
_STATUS = Path("/proc/self/status")
_CLEAR_REFERENCES = Path("/proc/self/clear_refs")
_CLEAR_PEAK = "5"  # proc(5)


def peak_memory() -> int:
    """Bytes that this process has had in memory at most.

    On Linux not what ``getrusage`` says, which begins with the parent's peak.
    """
    if _STATUS.exists():
        (line,) = (line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes, on macOS


def forget_peak() -> None:
    """Let the peak begin again at what is used now, where the system can do that."""
    with contextlib.suppress(OSError):
        _CLEAR_REFERENCES.write_text(_CLEAR_PEAK)


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
