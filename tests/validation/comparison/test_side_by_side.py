"""Tasks run at the same time in threads, and their host answers them one at a time."""

import threading
from functools import partial

import pytest

from validation.comparison.side_by_side import Stopped, side_by_side

LONG = 20  # seconds that nothing here takes


def run(tasks, workers=2):
    with side_by_side(tasks, workers, end_waiting=lambda: None) as results:
        return list(results)


def test_results_come_in_the_order_of_the_tasks():
    both = threading.Barrier(2)
    second_is_done = threading.Event()

    def first(host):
        both.wait(LONG)  # which breaks if the tasks do not run at the same time
        assert second_is_done.wait(LONG)
        return "first"

    def second(host):
        both.wait(LONG)
        second_is_done.set()
        return "second"

    assert run([first, second, lambda host: "third"]) == ["first", "second", "third"]


def test_host_is_the_calling_thread():
    seen = []

    def task(host):
        host.post(lambda: seen.append(threading.get_ident()))
        return host.call(threading.get_ident), threading.get_ident()

    for by_host, by_task in run([task, task, task]):
        assert by_host == threading.get_ident() != by_task
    assert seen == [threading.get_ident()] * 3


def test_error_of_the_host_reaches_the_task():
    def task(host):
        with pytest.raises(ZeroDivisionError):
            host.call(lambda: 1 / 0)
        return "went on"

    assert run([task]) == ["went on"]


def test_error_waits_for_its_turn_and_ends_the_other_tasks():
    may_end = threading.Event()
    ended = []

    def fail(host):
        raise ValueError("mine")

    def wait_for_something_else(host):
        may_end.wait(LONG)
        try:
            host.call(int)
        except Stopped:
            ended.append("given up")
            raise

    tasks = [lambda host: "sound", fail, wait_for_something_else]
    with (
        pytest.raises(ValueError, match="mine"),
        side_by_side(tasks, 3, end_waiting=may_end.set) as results,
    ):
        assert next(results) == "sound"
        next(results)
    assert ended == ["given up"]


def test_interrupted_host_gives_up_who_waits_for_it():
    def interrupt():
        raise KeyboardInterrupt

    ended = []

    def task(host):
        try:
            host.call(interrupt)
        except Stopped:
            ended.append("given up")
            raise

    with pytest.raises(KeyboardInterrupt):
        run([task, partial(task)])
    assert ended == ["given up"] * 2
