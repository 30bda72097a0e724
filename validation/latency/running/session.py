"""The parent's side of an artifact that runs in a child process."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, Protocol

from validation.artifacts.artifact import Artifact
from validation.documents.verdicts import Unavailable
from validation.engines.base import EngineDiedError
from validation.engines.openers import Opener
from validation.engines.processes.child_process import START_ALLOWANCE, Child, spawn
from validation.latency.machine.memory import OVER_LIMIT_STATUS, MemorySamples, sampled_memory
from validation.latency.machine.memory_timeline import MemoryTimeline
from validation.latency.running.worker import Setting, serve

TIME_LIMIT = 600.0  # seconds for one answer, which is a load, a warm-up or a turn


@dataclass(frozen=True)
class Load:
    """The time and the circumstances of loading an artifact.

    Attributes:
        engine: the name of the engine that runs the artifact.
        seconds: the time from opening the files until the models are ready, without importing libraries.
        warm: the reason why the files were not dropped from the file cache before; None if they were.
        processor: the processor seconds that loading took.
    """

    engine: str
    seconds: float
    warm: str | None
    processor: float


@dataclass(frozen=True)
class WarmUp:
    """The seconds of the runs before those that count, and whether they settled."""

    seconds: tuple[float, ...]
    steady: bool


@dataclass(frozen=True)
class Run:
    """The seconds of each run, and the processor seconds of all runs together."""

    seconds: tuple[float, ...]
    processor: float


class Runner(Protocol):
    """Runs an artifact for ``measuring``, which calls the methods in this order.

    A method raises ArtifactError if the artifact cannot be run.
    """

    def start(self) -> None:
        """Import the libraries, and read the photo."""
        ...

    def load(self) -> Load | Unavailable:
        """Load the artifact."""
        ...

    def first(self, stage: str) -> Run:
        """Run the stage for the first time."""
        ...

    def warm_up(self, stage: str) -> WarmUp:
        """Run the stage until its times settle."""
        ...

    def turn(self, stage: str, calls: int) -> Run:
        """Pause, run the stage once without counting it, then run it ``calls`` times."""
        ...

    def memory(self) -> tuple[int, int] | None:
        """Return the bytes in use with only the libraries loaded, and the peak in bytes."""
        ...

    def close(self) -> None:
        """End the process that runs the artifact."""
        ...


class Session:
    """A ``Runner`` of an artifact in a child process.

    Calls raise ArtifactError if the artifact cannot be run, and EngineDiedError if the process
    crashes, hangs, or exceeds its memory limit.

    Attributes:
        timeline: the process's memory while it was busy. Every call adds to it.
    """

    def __init__(
        self,
        artifact: Artifact,
        openers: Sequence[Opener],
        setting: Setting,
        image: Path | None,
    ) -> None:
        """Start the process.

        Args:
            artifact: the artifact to run.
            openers: the openers of its engines, from ``engine_openers``.
            setting: the process's threads, cores and memory limit.
            image: a photo, or None for the first golden photo.
        """
        endings = {}
        if setting.memory_limit is not None:
            endings[OVER_LIMIT_STATUS] = (
                "was ended, as a phone ends an app, because its memory grew beyond the limit of "
                f"{setting.memory_limit / 1e9:g} GB: quantize more, or choose a target with more memory"
            )
        arguments = (artifact, tuple(openers), setting, image)
        process, connection = spawn(serve, arguments)
        self._process_id = process.pid
        self._child = Child(process, connection, TIME_LIMIT, endings=endings)
        self._processor = 0.0
        self._base = self._peak = 0
        self.timeline = MemoryTimeline()

    def start(self) -> None:
        """Import the libraries, and read the photo."""
        self._ask("start", {"operation": "start"}, allowance=START_ALLOWANCE)
        self._base = self._peak
        self.timeline.clear()  # the libraries' memory does not belong to the artifact

    def load(self) -> Load | Unavailable:
        """Load the artifact, from a cold file cache if the system allows it."""
        before = self._processor
        answer = self._ask("load", {"operation": "load"})
        if "unavailable" in answer:
            return Unavailable(str(answer["unavailable"]))
        seconds = self._seconds("load", answer)[0]
        warm = answer.get("warm")
        warm = None if warm is None else str(warm)
        return Load(str(answer.get("name")), seconds, warm, self._processor - before)

    def first(self, stage: str) -> Run:
        """Run the stage once, without a pause."""
        return self._run(stage, {"operation": "first", "stage": stage})

    def warm_up(self, stage: str) -> WarmUp:
        """Run the stage until its times settle, as ``plan.is_steady`` defines it."""
        answer = self._ask(stage, {"operation": "warm_up", "stage": stage})
        return WarmUp(self._seconds(stage, answer), answer.get("steady") is True)

    def turn(self, stage: str, calls: int) -> Run:
        """Take a turn of ``calls`` runs, as ``turns.take_turn`` does."""
        return self._run(stage, {"operation": "turn", "stage": stage, "calls": calls})

    def memory(self) -> tuple[int, int] | None:
        """Return the bytes with only the libraries loaded, and the peak; None before the import."""
        return (self._base, self._peak) if self._base else None

    def close(self) -> None:
        """End the process."""
        self._child.close()

    def _run(self, stage: str, request: dict) -> Run:
        before = self._processor
        answer = self._ask(stage, request)
        return Run(self._seconds(stage, answer), self._processor - before)

    def _ask(self, stage: str, request: dict, allowance: float = 0.0) -> dict:
        during, memory = stage.replace("_", " "), MemorySamples()
        with sampled_memory(self._process_id, memory):
            answer, _ = self._child.ask(during, request, (), 0, allowance)
        processor, peak = answer.get("processor"), answer.get("peak")
        if not isinstance(processor, float) or not isinstance(peak, int):
            self._refuse(during)
        self._processor, self._peak = processor, peak
        self.timeline.add(stage, memory)
        return answer

    def _seconds(self, during: str, answer: dict) -> tuple[float, ...]:
        """Read the times of an answer, which may come from a damaged process."""
        seconds = answer.get("seconds")
        times = tuple(seconds) if isinstance(seconds, list) else ()
        if not times or not all(isinstance(s, float) and 0 < s < math.inf for s in times):
            self._refuse(during)
        return times

    def _refuse(self, during: str) -> NoReturn:
        self.close()
        raise EngineDiedError(f"{during}: the engine gave a malformed answer")
