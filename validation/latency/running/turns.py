"""Turns: what is compared is measured back and forth, so that what changes slowly hits all alike.

A turn is a pause, in which the threads of the one before come to rest, a call that is not counted,
which warms the caches, and the calls that are.
"""

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

PAUSE = 0.05  # seconds

Call = Callable[[], object]
Item = TypeVar("Item")


def back_and_forth(items: Sequence[Item], turn: int) -> Sequence[Item]:
    """The order of a turn: A B C, C B A, A B C, …"""
    return items[:: 1 if turn % 2 == 0 else -1]


def take_turn(function: Call, calls: int) -> list[float]:
    """Seconds of each of ``calls`` calls."""
    time.sleep(PAUSE)
    function()
    return [timed(function) for _ in range(calls)]


def timed(function: Call) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
