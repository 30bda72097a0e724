"""Measures an artifact's time relative to that of a fixed computation, with which it takes turns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from validation.artifacts.artifact import Artifact
from validation.documents.verdicts import FAILED, NOT_RUN
from validation.engines import engine_openers
from validation.engines.openers import OpenEngine
from validation.latency.machine.host import Host, available_cores
from validation.latency.measuring import Subject, measure_side_by_side
from validation.latency.results import INVALID, Measurement
from validation.latency.running.plan import END_TO_END, STAGES, Plan
from validation.latency.running.session import Session, WarmUp
from validation.latency.running.worker import Setting
from validation.latency.statistics import Ratio, ratio_of_launches

PLAN = Plan("regression", runs=10, seconds=0.5)  # per launch; at least 2 turns of each stage
# The speed of a process differs by a tenth from that of the next process, as long as it runs. Turns within
# one process do not show that difference, so several are launched.
LAUNCHES = 3
# Runs of a stage before its turns, once a launch has shown that its times settle. Only the very first
# two runs of a process are slower: the encoder's by up to 8 %, the calibration's by up to a third.
LATER_WARM_UP = 3
# A single ratio would not show how much launches differ.
FEWEST_LAUNCHES = 2
# One thread, because the cost of several threads working together differs between machines.
THREADS = 1


@dataclass(frozen=True)
class Problem:
    """The reason why something has no figures.

    Attributes:
        verdict: NOT_RUN, INVALID or FAILED.
        reason: the reason in words.
    """

    verdict: str
    reason: str


@dataclass(frozen=True)
class Launch:
    """Two processes that took turns: one ran the artifact, the other the calibration work."""

    measured: Measurement
    calibration: Measurement

    @property
    def problem(self) -> Problem | None:
        """The reason why the launch has no figures at all, or None."""
        for item, verdict in ((self.measured, FAILED), (self.calibration, INVALID)):
            if item.failure is not None:
                return Problem(verdict, item.failure)
        if self.measured.missing is not None:
            return Problem(NOT_RUN, self.measured.missing)
        return None


def measure_latency(artifact: Artifact) -> tuple[list[Launch], Host]:
    """Launch the artifact and the calibration ``LAUNCHES`` times, each with one thread.

    A launch that cannot be run is the last one.

    Returns:
        The launches, and the machine that was watched.
    """
    host = Host(available_cores())
    launches: list[Launch] = []
    while len(launches) < LAUNCHES and not any(launch.problem for launch in launches):
        session = _LaterSession if launches and _settled(launches[0]) else _LaunchedSession
        launches.append(_launch(artifact, host, session))
    return launches, host


def ratios(launches: Sequence[Launch]) -> Mapping[str, Ratio | Problem]:
    """Return stage → the ratio of the artifact's time to the calibration time, or a problem.

    Only pairs of undisturbed turns count. The problem is INVALID on a disturbed machine, FAILED if the
    artifact cannot be run, and NOT_RUN if this machine lacks an engine for it.
    """
    for launch in launches:
        if launch.problem is not None:
            return dict.fromkeys(STAGES, launch.problem)
    return {stage: _ratio(stage, launches) for stage in STAGES}


class _LaunchedSession(Session):
    """A session that does not warm up what is warm already."""

    def warm_up(self, stage: str) -> WarmUp:
        """Run the stage until its times settle, or once if it consists of stages whose times have settled."""
        if stage == END_TO_END:
            return WarmUp(self.first(stage).seconds, steady=True)
        return super().warm_up(stage)


class _LaterSession(_LaunchedSession):
    """A session that relies on an earlier one of the same artifact, in which times settled."""

    def warm_up(self, stage: str) -> WarmUp:
        """Run a stage ``LATER_WARM_UP`` times, or once if it consists of stages that are warm."""
        if stage == END_TO_END:
            return super().warm_up(stage)
        runs = [self.first(stage) for _ in range(LATER_WARM_UP)]
        return WarmUp(tuple(second for run in runs for second in run.seconds), steady=True)


def _settled(launch: Launch) -> bool:
    """Whether all times of a launch without a problem settled in its warm-up."""
    measurements = launch.measured, launch.calibration
    return all(times.warm_up.steady for each in measurements for times in each.stages.values())


def _launch(artifact: Artifact, host: Host, session: type[_LaunchedSession]) -> Launch:
    setting = Setting(THREADS)
    launch = Launch(Measurement(artifact), Measurement(artifact))
    subjects = [
        Subject(session(artifact, openers, setting, None), measurement)
        for openers, measurement in (
            ([_calibration], launch.calibration),
            (engine_openers(artifact), launch.measured),
        )
    ]
    measure_side_by_side(subjects, PLAN, host, THREADS)
    return launch


def _calibration() -> OpenEngine:
    from validation.regression.calibration import open_engine

    return open_engine


def _ratio(stage: str, launches: Sequence[Launch]) -> Ratio | Problem:
    found = [_ratio_of_turns(stage, launch) for launch in launches]
    known = [each for each in found if isinstance(each, Ratio)]
    if len(known) >= FEWEST_LAUNCHES:
        return ratio_of_launches(known)
    return next(each for each in found if isinstance(each, Problem))


def _ratio_of_turns(stage: str, launch: Launch) -> Ratio | Problem:
    times, beside = launch.measured.stages[stage], launch.calibration.stages[stage]
    ratio = times.ratio_to(beside)
    if ratio is not None:
        return ratio
    reasons = [times.problem]
    if beside.problem:
        reasons.append(f"calibration: {beside.problem}")
    reason = "; ".join(filter(None, reasons)) or "no pair of turns was undisturbed"
    return Problem(INVALID, reason)
