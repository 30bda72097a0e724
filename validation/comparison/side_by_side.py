"""Runs tasks side by side in threads, while the calling thread does for them what is done one at a time."""

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

Call = Callable[[Callable[[], Any]], Any]  # runs a function somewhere, and returns its result


def call_here(function: Callable[[], T]) -> T:
    """Run a function in this thread."""
    return function()


class Stopped(Exception):
    """Raised in a task that has been given up."""


class Host:
    """The thread that runs functions for tasks, one after the other."""

    def __init__(self) -> None:
        self._requests: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._unanswered: set[Future] = set()
        self._stopped = threading.Event()

    def call(self, function: Callable[[], T]) -> T:
        """Let the host run a function, and return its result or raise its error. Tasks call this.

        Raises:
            Stopped: the task has been given up.
        """
        answer: Future[T] = Future()
        self._unanswered.add(answer)
        self.post(partial(_answer, answer, function))
        try:
            return answer.result()
        finally:
            self._unanswered.discard(answer)

    def post(self, function: Callable[[], object]) -> None:
        """Let the host run a function later, without waiting for it; Stopped if the task has been given up."""
        if self._stopped.is_set():
            raise Stopped
        self._requests.put(function)

    def serve(self, task: "Future[T]") -> T:
        """Run what tasks ask for until one of them is done, and return its result or raise its error."""
        task.add_done_callback(lambda _: self._requests.put(lambda: None))
        while not task.done():
            self._requests.get()()
        return task.result()

    def stop(self) -> None:
        """Give up all tasks that ask for something, now or later."""
        self._stopped.set()
        for answer in list(self._unanswered):
            if not answer.done():
                answer.set_exception(Stopped())


def _answer(answer: "Future[T]", function: Callable[[], T]) -> None:
    try:
        result = function()
    except Exception as error:
        answer.set_exception(error)
    else:
        answer.set_result(result)


@contextlib.contextmanager
def side_by_side(
    tasks: Sequence[Callable[[Host], T]], workers: int, end_waiting: Callable[[], Any]
) -> Iterator[Iterator[T]]:
    """Run tasks in threads, and yield an iterator over their results in the order of the tasks.

    The calling thread is the host of the tasks while it waits for the next result. A task that raises an error does so
    when its result is due. At the end of the block, tasks that are not done are given up.

    Args:
        tasks: functions that take their host.
        workers: number of tasks that run at the same time.
        end_waiting: called at the end of the block. It ends whatever a task may be waiting for besides the host.
    """
    host = Host()
    pool = ThreadPoolExecutor(workers)
    try:
        yield map(host.serve, [pool.submit(task, host) for task in tasks])
    finally:
        host.stop()
        end_waiting()
        pool.shutdown(cancel_futures=True)
