"""Core ML on this Mac as a target, per choice of compute units, with its plan of what goes where."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reference.common.errors import ArtifactError
from validation.artifacts.artifact import Artifact
from validation.engines import openers
from validation.engines.compute_units import COMPUTE_UNITS
from validation.latency.core_ml_plan.placement import CPU, GPU, NEURAL_ENGINE
from validation.latency.machine.host import Host, available_cores, machine
from validation.latency.targets.target import require_format

if TYPE_CHECKING:
    from validation.latency.results import Measurement, TargetResult
    from validation.latency.running.plan import Plan

# Compute units → the device that they are chosen for.
_WANTED = {"all": NEURAL_ENGINE, "cpu_and_ne": NEURAL_ENGINE, "cpu_and_gpu": GPU, "cpu_only": CPU}


@dataclass(frozen=True)
class CoreMLTarget:
    """A ``Target``: Core ML of this Mac.

    Attributes:
        unit: what Core ML may compute on.
        open_core_ml: opens Core ML on a unit.
        load_models: loads packages to be planned.
    """

    unit: str
    open_core_ml: Callable = openers.core_ml
    load_models: Callable = openers.core_ml_models

    @property
    def name(self) -> str:
        """See ``Target``."""
        return f"coreml-{self.unit}"

    @property
    def measures(self) -> str:
        """See ``Target``."""
        return f"milliseconds of Core ML on this Mac: {COMPUTE_UNITS[self.unit]}; with its compute plan"

    def require_fitting(self, artifacts: Sequence[Artifact], image: Path | None) -> None:
        """See ``Target``: Core ML runs Core ML packages, on any photo."""
        require_format(self.name, artifacts, "coreml")

    def missing(self) -> str | None:
        """See ``Target``."""
        return None if sys.platform == "darwin" else "Core ML runs on macOS only: measure on a Mac"

    def measure(
        self, artifacts: Sequence[Artifact], plan: "Plan", image: Path | None
    ) -> "TargetResult":
        """See ``Target``."""
        # Here: these import torch, which a list of targets shall not wait for.
        from validation.latency.measuring import Subject, measure_side_by_side
        from validation.latency.results import Measurement, TargetResult
        from validation.latency.running.session import Session
        from validation.latency.running.worker import Setting

        missing = self.missing()
        measurements = [Measurement(artifact, missing=missing) for artifact in artifacts]
        description = f"Core ML, {COMPUTE_UNITS[self.unit]}; {machine()}"
        if missing is not None:
            return TargetResult(self.name, description, False, missing, measurements)
        host = Host(available_cores())
        threads = len(host.cores)  # Core ML decides; what is left free is then not known
        engines = [partial(self.open_core_ml, unit=self.unit)]
        subjects = [
            Subject(Session(item.artifact, engines, Setting(threads), image), item)
            for item in measurements
        ]
        measure_side_by_side(subjects, plan, host, threads)
        for subject in subjects:
            if subject.alive:
                self._place(subject.measurement)
        return TargetResult(self.name, description, False, None, measurements, host.unwatched())

    def _place(self, measurement: "Measurement") -> None:
        """Add the compute plan, or why there is none: times count all the same."""
        from validation.latency.core_ml_plan.compute_plan import read_plans
        from validation.latency.core_ml_plan.placement import summarize

        try:
            plans = read_plans(measurement.artifact, self.unit, self.load_models)
        except ArtifactError as error:
            measurement.note = f"where Core ML computes what is not known: {error}"
            return
        measurement.placement = {
            component: summarize(_WANTED[self.unit], *plan) for component, plan in plans.items()
        }


def core_ml_targets() -> tuple[CoreMLTarget, ...]:
    """Core ML with each choice of compute units."""
    return tuple(map(CoreMLTarget, COMPUTE_UNITS))
