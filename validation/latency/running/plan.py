"""Plans: how long stages are measured, and when a warm-up is over."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from validation.stages import IMAGE_ENCODER, MASK_DECODER

END_TO_END = "end_to_end"  # from the photo's file to the mask at the photo's size
STAGES = (IMAGE_ENCODER, MASK_DECODER, END_TO_END)

WINDOW = 5  # runs in a moving average
STEADY = 0.04  # a warm-up is over when two averages differ by at most this share
LONGEST_WARM_UP = 60.0  # seconds; times that have not settled by then never do
MOST_WARM_UP_RUNS = 500

CALLS = 5  # fewest runs in a turn
MOST_CALLS = 500
TURN_SECONDS = 0.2  # shortest turn, since processor time is counted in steps of 0.01


@dataclass(frozen=True)
class Plan:
    """The amount of measuring for each stage of each artifact.

    Attributes:
        name: the plan's name.
        runs: the lowest number of runs.
        seconds: the lowest sum of the runs' times.
    """

    name: str
    runs: int
    seconds: float

    def calls(self, seconds_per_run: float) -> int:
        """Return the number of runs in a turn."""
        shortest = min(TURN_SECONDS, self.seconds)
        return min(MOST_CALLS, max(CALLS, math.ceil(shortest / seconds_per_run)))


QUICK = Plan("quick", runs=50, seconds=2.0)
# These are the values of MLPerf Mobile's single stream (MLPerf Inference Rules, "min_query_count" and
# "min_duration").
THOROUGH = Plan("thorough", runs=1024, seconds=60.0)


def is_steady(seconds: Sequence[float]) -> bool:
    """Return whether the averages of the last two windows of runs agree.

    The windows do not overlap, because averages that share four of five runs nearly always agree.
    """
    if len(seconds) < 2 * WINDOW:
        return False
    earlier, later = fmean(seconds[-2 * WINDOW : -WINDOW]), fmean(seconds[-WINDOW:])
    return abs(later - earlier) <= STEADY * earlier


def warm_up(timed_run: Callable[[], float]) -> tuple[tuple[float, ...], bool]:
    """Run until the times have settled, or until a limit is reached.

    Args:
        timed_run: a function that runs once and returns the seconds that the run took.

    Returns:
        The times, and whether they have settled.
    """
    seconds: list[float] = []
    while sum(seconds) < LONGEST_WARM_UP and len(seconds) < MOST_WARM_UP_RUNS:
        seconds.append(timed_run())
        if is_steady(seconds):
            break
    return tuple(seconds), is_steady(seconds)
