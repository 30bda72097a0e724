"""Measures artifacts side by side: it loads all of them, then lets them take turns."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeVar

from reference.common.errors import ArtifactError
from reference.common.progress import progress
from validation.documents.verdicts import Unavailable
from validation.latency.machine.host import Host, HostState, disturbance
from validation.latency.results import Measurement, StageTimes, Turn
from validation.latency.running.plan import END_TO_END, STAGES, WINDOW, Plan
from validation.latency.running.session import Load, Run, Runner
from validation.latency.running.turns import back_and_forth

Answer = TypeVar("Answer", Load | Unavailable, Run)


@dataclass(frozen=True)
class Watch:
    """Finds out whether something disturbed a measurement.

    Attributes:
        host: the machine that is watched.
        start: the machine's state when all measuring began.
        spare: the number of cores that the measured threads leave free.
    """

    host: Host
    start: HostState
    spare: int

    def measure(self, action: Callable[[], Answer]) -> tuple[Answer, str | None]:
        """Run ``action``. Return its answer and what disturbed it, or None."""
        before = self.host.state()
        answer = action()
        after = self.host.state()
        if isinstance(answer, Unavailable):
            return answer, None
        return answer, disturbance(self.start, before, after, answer.processor, self.spare)


@dataclass(frozen=True)
class Subject:
    """An artifact that is being measured, and its measurement so far."""

    runner: Runner
    measurement: Measurement

    @property
    def alive(self) -> bool:
        """Whether the artifact can be measured further."""
        return self.measurement.failure is None and self.measurement.missing is None

    def attempt(self, action: Callable[["Subject"], None]) -> None:
        """Run ``action`` if the subject is alive. An error ends this artifact, and no other."""
        if not self.alive:
            return
        try:
            action(self)
        except ArtifactError as error:
            self.measurement.failure = str(error)
        finally:
            self.measurement.memory = self.runner.memory()


def measure_side_by_side(
    subjects: Sequence[Subject],
    plan: Plan,
    host: Host,
    threads: int,
    stages: Sequence[str] = STAGES,
) -> None:
    """Fill in the subjects' measurements, and close their runners.

    Args:
        subjects: the artifacts that take turns.
        plan: how many runs are measured.
        host: the machine to watch for disturbances.
        threads: the number of threads that compute at a time.
        stages: the stages to measure, in the order of STAGES.
    """
    watch = Watch(host, host.state(), max(0, len(host.cores) - threads))
    try:
        for subject in subjects:
            subject.attempt(lambda each: _begin(each, plan, watch, stages))
        for stage in stages:
            for subject in subjects:
                subject.attempt(lambda each, stage=stage: _warm_up(each, stage))
            _take_turns(subjects, stage, watch)
    finally:
        for subject in subjects:
            subject.runner.close()


def _begin(subject: Subject, plan: Plan, watch: Watch, stages: Sequence[str]) -> None:
    """Load the artifact, and run its encoder and decoder for the first time."""
    measurement, runner = subject.measurement, subject.runner
    runner.start()
    load, disturbed = watch.measure(runner.load)
    if isinstance(load, Unavailable):
        measurement.missing = load.reason
        return
    measurement.load, measurement.load_disturbance = load, disturbed
    for stage in stages:
        measurement.stages[stage] = times = StageTimes(plan)
        if stage != END_TO_END:
            run, disturbed = watch.measure(lambda stage=stage: runner.first(stage))
            times.first = Turn(run.seconds, disturbed)


def _warm_up(subject: Subject, stage: str) -> None:
    subject.measurement.stages[stage].warm_up = subject.runner.warm_up(stage)


def _take_turns(subjects: Sequence[Subject], stage: str, watch: Watch) -> None:
    """Let subjects take turns until each has enough undisturbed runs, or too many disturbed ones."""
    number = 0
    with progress(description=stage.replace("_", " "), unit="turn") as bar:
        while any(subject.alive and _wants_more(subject, stage) for subject in subjects):
            for subject in back_and_forth(subjects, number):
                subject.attempt(lambda each: _take_turn(each, stage, watch))
            number += 1
            bar.update()


def _wants_more(subject: Subject, stage: str) -> bool:
    times = subject.measurement.stages[stage]
    return times.warm_up.steady and not times.complete and not times.hopeless


def _take_turn(subject: Subject, stage: str, watch: Watch) -> None:
    times = subject.measurement.stages[stage]
    calls = times.plan.calls(median(times.warm_up.seconds[-WINDOW:]))
    run, disturbed = watch.measure(lambda: subject.runner.turn(stage, calls))
    times.turns.append(Turn(run.seconds, disturbed))
