"""How long is measured, and when a warm-up is over."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from validation.stages import IMAGE_ENCODER, MASK_DECODER

END_TO_END = "end_to_end"  # from the photo's file to the mask at the photo's size
STAGES = (IMAGE_ENCODER, MASK_DECODER, END_TO_END)

WINDOW = 5  # runs in a moving average
STEADY = 0.04  # relative difference of two averages, at which a warm-up is over
LONGEST_WARM_UP = 60.0  # seconds; what has not settled by then does not settle
MOST_WARM_UP_RUNS = 500

CALLS = 5  # runs in a turn, at least
MOST_CALLS = 500
TURN_SECONDS = 0.2  # a turn's length, at least: processor time is counted in steps of 0.01


@dataclass(frozen=True)
class Plan:
    """At least so many runs, and so many seconds of them, of each stage of each artifact."""

    name: str
    runs: int
    seconds: float

    def calls(self, seconds_per_run: float) -> int:
        """How many runs make a turn."""
        shortest = min(TURN_SECONDS, self.seconds)
        return min(MOST_CALLS, max(CALLS, math.ceil(shortest / seconds_per_run)))


QUICK = Plan("quick", runs=50, seconds=2.0)
# As long as the single stream of MLPerf Mobile (MLPerf Inference Rules, "min_query_count" and
# "min_duration").
THOROUGH = Plan("thorough", runs=1024, seconds=60.0)


def is_steady(seconds: Sequence[float]) -> bool:
    """Whether the averages of the last two windows of runs agree.

    The windows do not overlap: averages that share four of five runs agree almost by themselves.
    """
    if len(seconds) < 2 * WINDOW:
        return False
    earlier, later = fmean(seconds[-2 * WINDOW : -WINDOW]), fmean(seconds[-WINDOW:])
    return abs(later - earlier) <= STEADY * earlier


def warm_up(timed_run: Callable[[], float]) -> tuple[tuple[float, ...], bool]:
    """Run until the times have settled, or it has taken too long.

    Args:
        timed_run: runs once, and gives the seconds that it took.

    Returns:
        The times, and whether they have settled.
    """
    seconds: list[float] = []
    while sum(seconds) < LONGEST_WARM_UP and len(seconds) < MOST_WARM_UP_RUNS:
        seconds.append(timed_run())
        if is_steady(seconds):
            break
    return tuple(seconds), is_steady(seconds)
