"""Takes comparable timings: functions take turns, and a disturbed turn is repeated.

A turn is disturbed if other processes used the processor meanwhile. Threads that wait for each other lose
much time to that, and some libraries lose more than others. Turns are repeated until a total waiting time
is used up.
"""

import time

from reference.common.progress import progress
from validation.latency.machine.host import LARGEST_SHARE, Host, available_cores, others_seconds
from validation.latency.running.turns import Call, back_and_forth, take_turn

PATIENCE = 1200  # seconds that may be spent on disturbed turns, in total
RETRY_AFTER = 5  # seconds


class Turns:
    """Takes turns. ``disturbed`` counts the disturbed turns that were kept, for lack of time."""

    def __init__(self) -> None:
        self.disturbed = 0
        self._patience = float(PATIENCE)
        self._host = Host(available_cores())

    def take(self, functions: dict[str, Call], rounds: int, calls: int) -> dict[str, list[float]]:
        """Return the seconds of ``calls`` calls in each of ``rounds`` turns, in the order A B C, C B A, …"""
        times: dict[str, list[float]] = {name: [] for name in functions}
        for turn in progress(range(rounds), description="speed", unit="round"):
            for name in back_and_forth(list(functions), turn):
                times[name] += self._take_quiet(functions[name], calls)
        return times

    def _take_quiet(self, function: Call, calls: int) -> list[float]:
        while True:
            before = self._host.state()
            times = take_turn(function, calls)
            after = self._host.state()
            elapsed = after.time - before.time
            others = others_seconds(before, after)
            quiet = others is None or others <= LARGEST_SHARE * elapsed
            if quiet or self._patience <= 0:
                self.disturbed += not quiet
                return times
            time.sleep(RETRY_AFTER)
            self._patience -= elapsed + RETRY_AFTER
