"""Timings that can be compared: functions take turns, and a disturbed turn is taken again.

For as long as there is patience, a turn is repeated if other processes were using the processor
meanwhile: two threads that wait for each other lose more to that than one would think, and some
libraries more than others.
"""

import time

from reference.common.progress import progress
from validation.latency.machine.host import LARGEST_SHARE, Host, available_cores, others_seconds
from validation.latency.running.turns import Call, back_and_forth, take_turn

PATIENCE = 1200  # seconds of waiting for others in all
RETRY_AFTER = 5  # seconds


class Turns:
    """Takes turns. ``disturbed`` counts the turns that were not quiet when patience had run out."""

    def __init__(self) -> None:
        self.disturbed = 0
        self._patience = float(PATIENCE)
        self._host = Host(available_cores())

    def take(self, functions: dict[str, Call], rounds: int, calls: int) -> dict[str, list[float]]:
        """Seconds of ``calls`` calls in each of ``rounds`` turns: A B C, C B A, A B C, …"""
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
