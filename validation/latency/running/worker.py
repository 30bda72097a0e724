"""The child process that runs one artifact and times the calls of its engine."""

import gc
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from validation.artifacts.artifact import Artifact
from validation.documents.verdicts import Unavailable
from validation.engines import open_first
from validation.engines.openers import Opener
from validation.engines.processes.child_process import (
    TEXT_LENGTH,
    answer_requests,
    settle_in,
    until_parent_closes,
)
from validation.latency.machine.cold_files import forget_artifact
from validation.latency.machine.memory import end_above, forget_peak, peak_memory


@dataclass(frozen=True)
class Setting:
    """The settings of a child process.

    Attributes:
        threads: the number of threads that compute.
        cores: the cores that the process is pinned to; None if the system chooses them.
        memory_limit: the bytes, beyond the imported libraries, above which the process is ended; None
            without a limit.
    """

    threads: int
    cores: tuple[int, ...] | None = None
    memory_limit: int | None = None


def serve(
    connection: Connection,
    artifact: Artifact,
    openers: tuple[Opener, ...],
    setting: Setting,
    image: Path | None,
) -> None:
    """Answer ``Session``'s requests until it closes the pipe."""
    settle_in()
    if setting.cores is not None:
        os.sched_setaffinity(0, setting.cores)  # before torch starts its threads
    worker = _MeasuringWorker(artifact, openers, setting, image)
    with until_parent_closes():
        answer_requests(connection, lambda request, _: (worker.answer(request), ()))


class _MeasuringWorker:
    def __init__(
        self, artifact: Artifact, openers: tuple[Opener, ...], setting: Setting, image: Path | None
    ) -> None:
        self._artifact, self._openers = artifact, openers
        self._setting, self._image = setting, image
        self._stages: dict[str, Callable[[], object]] = {}

    def answer(self, request: dict) -> dict:
        operations = {
            "start": self._start,
            "load": self._load,
            "first": self._first,
            "warm_up": self._warm_up,
            "turn": self._turn,
        }
        header = operations[request.pop("operation")](**request)
        return {**header, "peak": peak_memory(), "processor": time.process_time()}

    def _start(self) -> dict:
        """Import the libraries and read the photo, which is not part of loading the artifact."""
        import torch

        from validation.latency.running.inputs import Inputs

        torch.set_num_threads(self._setting.threads)
        for opener in self._openers:
            opener()
        self._inputs = Inputs(self._artifact, self._image)
        gc.collect()
        forget_peak()
        if self._setting.memory_limit is not None:
            end_above(peak_memory() + self._setting.memory_limit)
        return {}

    def _load(self) -> dict:
        warm = forget_artifact(self._artifact)
        start = time.perf_counter()
        engine = open_first(self._artifact, self._openers)
        seconds = time.perf_counter() - start
        if isinstance(engine, Unavailable):
            return {"unavailable": engine.reason[:TEXT_LENGTH]}
        self._stages = self._inputs.stages(engine)
        return {"name": engine.name, "seconds": [seconds], "warm": warm}

    def _first(self, stage: str) -> dict:
        from validation.latency.running.turns import timed

        seconds = timed(self._stages[stage])
        self._inputs.require_finite(stage)
        return {"seconds": [seconds]}

    def _warm_up(self, stage: str) -> dict:
        from validation.latency.running.plan import warm_up
        from validation.latency.running.turns import timed

        seconds, steady = warm_up(lambda: timed(self._stages[stage]))
        return {"seconds": seconds, "steady": steady}

    def _turn(self, stage: str, calls: int) -> dict:
        from validation.latency.running.turns import take_turn

        return {"seconds": take_turn(self._stages[stage], calls)}
