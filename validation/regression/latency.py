"""How long an artefact takes, in relation to a fixed work that takes turns with it."""

from collections.abc import Mapping
from dataclasses import dataclass

from validation.artifact import Artifact
from validation.engines import engine_targets
from validation.latency.host import Host, available_cores
from validation.latency.measuring import Subject, measure_side_by_side
from validation.latency.plan import STAGES, Plan
from validation.latency.results import FAILED, INVALID, NOT_RUN, Measurement
from validation.latency.session import Session
from validation.latency.statistics import Ratio
from validation.latency.worker import Setting

PLAN = Plan("regression", runs=25, seconds=1.0)  # 5 turns and more of each stage
# Threads have more or less to do with each other from machine to machine; one has not.
THREADS = 1
_CALIBRATION = "validation.regression.calibration:open_engine"


@dataclass(frozen=True)
class Problem:
    """Why something has no figures: NOT_RUN, INVALID or FAILED, and the reason in words."""

    verdict: str
    reason: str


def measure_latency(artifact: Artifact) -> tuple[Measurement, Measurement, Host]:
    """An artefact and the calibration's work in its place, back and forth, on one thread.

    Returns:
        what is known of the artefact, what of the calibration, and the host that was watched.
    """
    setting = Setting(THREADS)
    host = Host(available_cores())
    targets = {"calibration": [_CALIBRATION], "artifact": engine_targets(artifact)}
    measurements = {name: Measurement(artifact) for name in targets}
    subjects = [
        Subject(Session(artifact, targets[name], setting, None), measurement)
        for name, measurement in measurements.items()
    ]
    measure_side_by_side(subjects, PLAN, host, THREADS)
    return measurements["artifact"], measurements["calibration"], host


def ratios(measured: Measurement, calibration: Measurement) -> Mapping[str, Ratio | Problem]:
    """Stage → the artefact's time in relation to the calibration's, of the turns side by side that count.

    A disturbed machine has no ratio: INVALID. An artefact that cannot be run is FAILED, or NOT_RUN if
    this machine lacks what runs it.
    """
    for item, verdict in ((measured, FAILED), (calibration, INVALID)):
        if item.failure is not None:
            return dict.fromkeys(STAGES, Problem(verdict, item.failure))
    if measured.missing is not None:
        return dict.fromkeys(STAGES, Problem(NOT_RUN, measured.missing))
    return {stage: _ratio(stage, measured, calibration) for stage in STAGES}


def _ratio(stage: str, measured: Measurement, calibration: Measurement) -> Ratio | Problem:
    times, beside = measured.stages[stage], calibration.stages[stage]
    ratio = times.ratio_to(beside)
    if ratio is not None:
        return ratio
    reasons = [times.problem]
    if beside.problem:
        reasons.append(f"beside it, calibration: {beside.problem}")
    reason = "; ".join(filter(None, reasons)) or "no two turns side by side were both undisturbed"
    return Problem(INVALID, reason)
