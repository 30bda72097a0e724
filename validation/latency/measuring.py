"""Measure artifacts side by side: all are loaded, and then they take turns, back and forth."""

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
    """Tells whether what is measured is disturbed.

    Attributes:
        host: what is watched.
        start: its state when all measuring began.
        spare: how many of its cores are left free.
    """

    host: Host
    start: HostState
    spare: int

    def over(self, action: Callable[[], Answer]) -> tuple[Answer, str | None]:
        """What ``action`` gives, and what disturbed it."""
        before = self.host.state()
        answer = action()
        after = self.host.state()
        if isinstance(answer, Unavailable):
            return answer, None
        return answer, disturbance(self.start, before, after, answer.processor, self.spare)


@dataclass(frozen=True)
class Subject:
    """An artifact that is being measured, and what is known of it."""

    runner: Runner
    measurement: Measurement

    @property
    def alive(self) -> bool:
        """Whether it can go on."""
        return self.measurement.failure is None and self.measurement.missing is None

    def attempt(self, action: Callable[["Subject"], None]) -> None:
        """Do something with it, if it is alive; what goes wrong ends this artifact and no other."""
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
        subjects: what takes turns.
        plan: how much is measured.
        host: what is watched meanwhile.
        threads: how many compute at a time.
        stages: which of STAGES, in their order.
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
    """Load, and run encoder and decoder for the first time."""
    measurement, runner = subject.measurement, subject.runner
    runner.start()
    load, disturbed = watch.over(runner.load)
    if isinstance(load, Unavailable):
        measurement.missing = load.reason
        return
    measurement.load, measurement.load_disturbance = load, disturbed
    for stage in stages:
        measurement.stages[stage] = times = StageTimes(plan)
        if stage != END_TO_END:
            run, disturbed = watch.over(lambda stage=stage: runner.first(stage))
            times.first = Turn(run.seconds, disturbed)


def _warm_up(subject: Subject, stage: str) -> None:
    subject.measurement.stages[stage].warm_up = subject.runner.warm_up(stage)


def _take_turns(subjects: Sequence[Subject], stage: str, watch: Watch) -> None:
    """Until each has enough runs that count, or so many that do not that it never will."""
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
    run, disturbed = watch.over(lambda: subject.runner.turn(stage, calls))
    times.turns.append(Turn(run.seconds, disturbed))
