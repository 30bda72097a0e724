"""How long an artifact takes, in relation to a fixed work that takes turns with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from validation.artifacts.artifact import Artifact
from validation.documents.verdicts import FAILED, NOT_RUN
from validation.engines import engine_openers
from validation.engines.openers import OpenEngine
from validation.latency.machine.host import Host, available_cores
from validation.latency.measuring import Subject, measure_side_by_side
from validation.latency.results import INVALID, Measurement
from validation.latency.running.plan import STAGES, Plan
from validation.latency.running.session import Session
from validation.latency.running.worker import Setting
from validation.latency.statistics import Ratio, ratio_of_launches

PLAN = Plan("regression", runs=10, seconds=0.5)  # of a launch: 2 turns and more of each stage
# A process is by a tenth faster or slower than the next one for as long as it lives: turns within one do not show that.
LAUNCHES = 3
FEWEST_LAUNCHES = 2  # that must have a ratio: one does not say how far it is from the next
# Threads have more or less to do with each other from machine to machine; one has not.
THREADS = 1


@dataclass(frozen=True)
class Problem:
    """Why something has no figures: NOT_RUN, INVALID or FAILED, and the reason in words."""

    verdict: str
    reason: str


@dataclass(frozen=True)
class Launch:
    """A process of the artifact, and one that does the calibration's work in its place; they took turns."""

    measured: Measurement
    calibration: Measurement

    @property
    def problem(self) -> Problem | None:
        """Why it has no figures at all."""
        for item, verdict in ((self.measured, FAILED), (self.calibration, INVALID)):
            if item.failure is not None:
                return Problem(verdict, item.failure)
        if self.measured.missing is not None:
            return Problem(NOT_RUN, self.measured.missing)
        return None


def measure_latency(artifact: Artifact) -> tuple[list[Launch], Host]:
    """Launch artifact and calibration ``LAUNCHES`` times, each with one thread; one that cannot be run is the last.

    Returns:
        the launches, and the host that was watched.
    """
    host = Host(available_cores())
    launches: list[Launch] = []
    while len(launches) < LAUNCHES and not any(launch.problem for launch in launches):
        launches.append(_launch(artifact, host))
    return launches, host


def ratios(launches: Sequence[Launch]) -> Mapping[str, Ratio | Problem]:
    """Stage → the artifact's time in relation to the calibration's, of the turns side by side that count.

    A disturbed machine has no ratio: INVALID. An artifact that cannot be run is FAILED, or NOT_RUN if
    this machine lacks what runs it.
    """
    for launch in launches:
        if launch.problem is not None:
            return dict.fromkeys(STAGES, launch.problem)
    return {stage: _ratio(stage, launches) for stage in STAGES}


def _launch(artifact: Artifact, host: Host) -> Launch:
    setting = Setting(THREADS)
    launch = Launch(Measurement(artifact), Measurement(artifact))
    subjects = [
        Subject(Session(artifact, openers, setting, None), measurement)
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
        reasons.append(f"beside it, calibration: {beside.problem}")
    reason = "; ".join(filter(None, reasons)) or "no two turns side by side were both undisturbed"
    return Problem(INVALID, reason)
