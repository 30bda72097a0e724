"""Turns: artifacts are measured alternately, so that slow changes of the machine affect all of them alike.

A turn has three parts: a pause, in which the threads of the previous turn come to rest; one uncounted
call, which warms the caches; and the calls that count.
"""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

PAUSE = 0.05  # seconds

Call = Callable[[], object]
Item = TypeVar("Item")


def back_and_forth(items: Sequence[Item], turn: int) -> Sequence[Item]:
    """Return the items in the order of a turn: A B C, then C B A, then A B C, and so on."""
    return items[:: 1 if turn % 2 == 0 else -1]


def take_turn(function: Call, calls: int) -> list[float]:
    """Take a turn, and return the seconds of each of its ``calls`` calls."""
    time.sleep(PAUSE)
    function()
    return [timed(function) for _ in range(calls)]


def timed(function: Call) -> float:
    """Return the seconds of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
