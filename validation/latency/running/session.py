"""One artifact in its child process, as whoever measures sees it."""

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
from validation.latency.machine.memory import OVER_LIMIT_STATUS
from validation.latency.machine.memory_timeline import MemoryTimeline
from validation.latency.running.worker import Setting, serve

TIME_LIMIT = 600.0  # seconds for one answer: a load, a warm-up, or a turn


@dataclass(frozen=True)
class Load:
    """How an artifact was loaded.

    Attributes:
        engine: what runs it.
        seconds: from opening the files to being ready; libraries were imported before.
        warm: why its files were not dropped from the file cache before; None if they were.
        processor: seconds of the processor's time that it took.
    """

    engine: str
    seconds: float
    warm: str | None
    processor: float


@dataclass(frozen=True)
class WarmUp:
    """Runs before those that count, and whether they settled."""

    seconds: tuple[float, ...]
    steady: bool


@dataclass(frozen=True)
class Run:
    """Seconds of runs, and of the processor's time that all of them took."""

    seconds: tuple[float, ...]
    processor: float


class Runner(Protocol):
    """What ``measuring`` asks of an artifact, in this order; calls raise ArtifactError."""

    def start(self) -> None: ...

    def load(self) -> Load | Unavailable: ...

    def first(self, stage: str) -> Run: ...

    def warm_up(self, stage: str) -> WarmUp: ...

    def turn(self, stage: str, calls: int) -> Run: ...

    def memory(self) -> tuple[int, int] | None: ...

    def close(self) -> None: ...


class Session:
    """A ``Runner`` of an artifact in a process of its own.

    Calls raise ArtifactError if the artifact cannot be run, and EngineDiedError if the process
    crashes, hangs, or is ended for its memory.

    Attributes:
        timeline: the process's memory while it was busy; it grows.
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
            artifact: what it runs.
            openers: from ``engine_openers``.
            setting: threads, cores and memory.
            image: a photo; None: the first golden's.
        """
        endings = {}
        if setting.memory_limit is not None:
            endings[OVER_LIMIT_STATUS] = (
                "was ended, as a phone ends an app, because its memory grew beyond the limit of "
                f"{setting.memory_limit / 1e9:g} GB: quantize more, or allow for a larger phone"
            )
        arguments = (artifact, tuple(openers), setting, image)
        self._child = Child(*spawn(serve, arguments), TIME_LIMIT, endings=endings)
        self._processor = 0.0
        self._base = self._peak = 0
        self.timeline = MemoryTimeline()

    def start(self) -> None:
        """Import the libraries, and read the photo."""
        self._ask("start", {"operation": "start"}, allowance=START_ALLOWANCE)
        self._base = self._peak
        self.timeline.clear()  # what libraries take is no artifact's

    def load(self) -> Load | Unavailable:
        """Load the artifact, from a cold file cache where the system allows it."""
        before = self._processor
        answer = self._ask("load", {"operation": "load"})
        if "unavailable" in answer:
            return Unavailable(str(answer["unavailable"]))
        seconds = self._seconds("load", answer)[0]
        warm = answer.get("warm")
        warm = None if warm is None else str(warm)
        return Load(str(answer.get("name")), seconds, warm, self._processor - before)

    def first(self, stage: str) -> Run:
        """One run, without a pause."""
        return self._run(stage, {"operation": "first", "stage": stage})

    def warm_up(self, stage: str) -> WarmUp:
        """Run until two averages agree; see ``plan.is_steady``."""
        answer = self._ask(stage, {"operation": "warm_up", "stage": stage})
        return WarmUp(self._seconds(stage, answer), answer.get("steady") is True)

    def turn(self, stage: str, calls: int) -> Run:
        """A turn of ``calls`` runs; see ``turns``."""
        return self._run(stage, {"operation": "turn", "stage": stage, "calls": calls})

    def memory(self) -> tuple[int, int] | None:
        """Bytes in use with the libraries alone, and at most; None before they are imported."""
        return (self._base, self._peak) if self._base else None

    def close(self) -> None:
        """End the process."""
        self._child.close()

    def _run(self, stage: str, request: dict) -> Run:
        before = self._processor
        answer = self._ask(stage, request)
        return Run(self._seconds(stage, answer), self._processor - before)

    def _ask(self, stage: str, request: dict, allowance: float = 0.0) -> dict:
        during = stage.replace("_", " ")
        answer, _ = self._child.ask(during, request, (), 0, allowance)
        processor, peak = answer.get("processor"), answer.get("peak")
        if not isinstance(processor, float) or not isinstance(peak, int):
            self._refuse(during)
        self._processor, self._peak = processor, peak
        if not self.timeline.add(stage, answer.get("memory")):
            self._refuse(during)
        return answer

    def _seconds(self, during: str, answer: dict) -> tuple[float, ...]:
        """The times of an answer: the process that sent it may be a damaged one."""
        seconds = answer.get("seconds")
        times = tuple(seconds) if isinstance(seconds, list) else ()
        if not times or not all(isinstance(s, float) and 0 < s < math.inf for s in times):
            self._refuse(during)
        return times

    def _refuse(self, during: str) -> NoReturn:
        self.close()
        raise EngineDiedError(f"{during}: the engine gave an answer that makes no sense")
