"""Measures an artifact that runs in another Python environment."""

import time
from collections.abc import Callable
from pathlib import Path

from validation.artifacts.artifact import Artifact
from validation.engines.environment_engine import EnvironmentEngine
from validation.engines.environments import Environment
from validation.engines.environments.lite_process import LiteProcess
from validation.latency.machine.cold_files import forget_artifact
from validation.latency.machine.memory import forget_peak_of, peak_memory_of
from validation.latency.running.inputs import Inputs
from validation.latency.running.plan import warm_up
from validation.latency.running.session import Load, Run, WarmUp
from validation.latency.running.turns import PAUSE


class EnvironmentRunner:
    """A ``Runner`` of encoder and decoder. The other Python times or counts its own calls."""

    def __init__(
        self,
        environment: Environment,
        artifact: Artifact,
        threads: int,
        image: Path | None,
        counting: bool = False,
    ) -> None:
        """Start nothing yet.

        Args:
            environment: an environment that is set up.
            artifact: the artifact to run.
            threads: the number of threads that compute.
            image: a photo, or None for the first golden photo.
            counting: whether instructions are counted.
        """
        self._environment, self._artifact, self._image = environment, artifact, image
        self._threads, self._counting = threads, counting
        self._interpreter: LiteProcess | None = None
        self._processor = 0.0
        self._memory: tuple[int, int] | None = None
        self._stages: dict[str, Callable[[], object]] = {}

    def start(self) -> None:
        self._inputs = Inputs(self._artifact, self._image)
        self._interpreter = LiteProcess(self._environment, self._threads, self._counting)
        forget_peak_of(self._interpreter.pid)
        libraries = peak_memory_of(self._interpreter.pid)
        self._memory = None if libraries is None else (libraries, libraries)

    def load(self) -> Load:
        warm = forget_artifact(self._artifact)
        seconds, self._processor = self._interpreter.load(self._artifact)
        self._engine = EnvironmentEngine(self._interpreter)
        self._stages = self._inputs.stages(self._engine)
        return Load(self._engine.name, seconds, warm, self._processor)

    def first(self, stage: str) -> Run:
        run = self._run(stage, 1)
        self._inputs.require_finite(stage)
        return run

    def warm_up(self, stage: str) -> WarmUp:
        return WarmUp(*warm_up(lambda: self._run(stage, 1).seconds[0]))

    def turn(self, stage: str, calls: int) -> Run:
        """Take a turn as ``turns.take_turn`` does, except that all calls have the same prompt."""
        time.sleep(PAUSE)
        run = self._run(stage, 1 + calls)
        return Run(run.seconds[1:], run.processor)

    def count(self, stage: str) -> int:
        """Return the number of instructions of one run."""
        self._run(stage, 1)
        return self._engine.last.instructions[0]

    def memory(self) -> tuple[int, int] | None:
        if self._memory is not None:
            libraries, peak = self._memory
            # Without a process there is no new value, so the last peak stays.
            self._memory = libraries, peak_memory_of(self._interpreter.pid) or peak
        return self._memory

    def close(self) -> None:
        if self._interpreter is not None:
            self._interpreter.close()

    def _run(self, stage: str, calls: int) -> Run:
        before = self._processor
        self._engine.calls = calls
        self._stages[stage]()
        self._processor = self._engine.last.processor
        return Run(self._engine.last.seconds, self._processor - before)
