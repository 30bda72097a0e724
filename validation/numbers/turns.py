"""Timings that can be compared: functions take turns, and a disturbed turn is taken again.

Turns go back and forth, so that what changes slowly hits all functions alike. A turn is a pause, in
which the threads of the one before come to rest, a call that is not counted, which warms the
caches, and the calls that are. It is taken again, for as long as there is patience, if other
processes were using the processor meanwhile: two threads that wait for each other lose more to that
than one would think, and some libraries more than others.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

from reference.command_line import progress

PAUSE = 0.05  # seconds
LARGEST_SHARE = 0.1  # of one core, that other processes may use during a turn
PATIENCE = 1200  # seconds of waiting for others in all
RETRY_AFTER = 5  # seconds

Call = Callable[[], object]


class Turns:
    """Takes turns. ``disturbed`` counts the turns that were not quiet when patience had run out."""

    def __init__(self) -> None:
        self.disturbed = 0
        self._patience = float(PATIENCE)

    def take(self, functions: dict[str, Call], rounds: int, calls: int) -> dict[str, list[float]]:
        """Seconds of ``calls`` calls in each of ``rounds`` turns: A B C, C B A, A B C, …"""
        times: dict[str, list[float]] = {name: [] for name in functions}
        for turn in progress(range(rounds), description="speed", unit="round"):
            for name in list(functions)[:: 1 if turn % 2 == 0 else -1]:
                times[name] += self._take_quiet(functions[name], calls)
        return times

    def _take_quiet(self, function: Call, calls: int) -> list[float]:
        while True:
            start, others = time.perf_counter(), _seconds_of_others()
            times = _take_turn(function, calls)
            elapsed = time.perf_counter() - start
            quiet = _seconds_of_others() - others <= LARGEST_SHARE * elapsed
            if quiet or self._patience <= 0:
                self.disturbed += not quiet
                return times
            time.sleep(RETRY_AFTER)
            self._patience -= elapsed + RETRY_AFTER


def _take_turn(function: Call, calls: int) -> list[float]:
    time.sleep(PAUSE)
    function()
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return times


def _seconds_of_others() -> float:
    """Processor time of all other processes since the start of the machine; 0 if it is not Linux."""
    try:
        fields = Path("/proc/stat").read_text().split(maxsplit=9)[1:9]
    except OSError:
        return 0.0
    user, nice, system, _idle, _iowait, interrupts, soft_interrupts, stolen = map(int, fields)
    busy = user + nice + system + interrupts + soft_interrupts + stolen
    return busy / os.sysconf("SC_CLK_TCK") - time.process_time()
