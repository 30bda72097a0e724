"""Measuring artifacts without child processes, which take seconds to start and are tested elsewhere."""

from collections.abc import Callable

from validation.comparison.comparer import OpenedHere
from validation.engines import open_first
from validation.latency.results import Measurement, StageTimes, Turn
from validation.latency.running.plan import STAGES, Plan
from validation.latency.running.session import Load, WarmUp
from validation.regression.latency import LAUNCHES, Launch

PLAN = Plan("test", runs=25, seconds=0.0)
CALIBRATION_SECONDS = 0.05


class QuietHost:
    def unwatched(self):
        return ["throttling for heat"]


class EngineHere:
    """An engine in the process of the test, because the imports of a child process take seconds."""

    def __init__(self, engine):
        self.name, self.encode, self.decode = engine.name, engine.encode, engine.decode

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


def stage_times(seconds: float, disturbance: str | None = None) -> StageTimes:
    """Return five turns of five runs, all of which took ``seconds``."""
    turns = [Turn((seconds,) * 5, disturbance)] * 5
    return StageTimes(PLAN, None, WarmUp((seconds,) * 10, steady=True), turns)


def timed(
    ratio=2.0, memory=100_000_000, failure=None, scatter=(1.0,) * LAUNCHES, disturbance=None
) -> Callable:
    """Return a stand-in for ``measure_latency`` with known times. ``scatter`` has a factor for each launch."""

    def launch(artifact, factor):
        measured, calibration = Measurement(artifact), Measurement(artifact)
        measured.memory = (200_000_000, 200_000_000 + memory)
        measured.failure = failure
        calibration.load = Load("calibration 1", 0.1, None, 0.1)
        for stage in STAGES:
            calibration.stages[stage] = stage_times(CALIBRATION_SECONDS)
            measured.stages[stage] = stage_times(ratio * factor * CALIBRATION_SECONDS, disturbance)
        return Launch(measured, calibration)

    def measure(artifact):
        return [launch(artifact, factor) for factor in scatter], QuietHost()

    return measure


def open_here(artifact, openers, _limit) -> EngineHere:
    return EngineHere(open_first(artifact, openers))


def start_here(artifact, openers, _limit, threads) -> OpenedHere:
    return OpenedHere(artifact, openers)
