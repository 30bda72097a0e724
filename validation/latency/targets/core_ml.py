"""Core ML on this Mac as targets, one per choice of compute units, with Core ML's compute plan."""

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

# Compute units → the device that they aim for.
_WANTED = {"all": NEURAL_ENGINE, "cpu_and_ne": NEURAL_ENGINE, "cpu_and_gpu": GPU, "cpu_only": CPU}


@dataclass(frozen=True)
class CoreMLTarget:
    """A ``Target`` that measures Core ML on this Mac.

    Attributes:
        unit: the compute units that Core ML may use, a key of COMPUTE_UNITS.
        open_core_ml: opens Core ML on a choice of compute units.
        load_models: loads packages in order to ask for their compute plan.
        host: watches the machine during the runs, given the numbers of the cores.
        system: the operating system, as ``sys.platform`` names it.
    """

    unit: str
    open_core_ml: Callable = openers.core_ml
    load_models: Callable = openers.core_ml_models
    host: Callable[[Sequence[int]], Host] = Host
    system: str = sys.platform

    @property
    def name(self) -> str:
        return f"coreml-{self.unit}"

    @property
    def measures(self) -> str:
        return f"milliseconds of Core ML on this Mac: {COMPUTE_UNITS[self.unit]}; with its compute plan"

    def require_fitting(self, artifacts: Sequence[Artifact], image: Path | None) -> None:
        """Refuse other formats: Core ML runs only Core ML packages. It takes any photo."""
        require_format(self.name, artifacts, "coreml")

    def missing(self) -> str | None:
        return None if self.system == "darwin" else "Core ML runs on macOS only: measure on a Mac"

    def measure(
        self, artifacts: Sequence[Artifact], plan: "Plan", image: Path | None
    ) -> "TargetResult":
        # These import torch. A list of targets should not have to wait for that.
        from validation.latency.measuring import Subject, measure_side_by_side
        from validation.latency.results import Measurement, TargetResult
        from validation.latency.running.session import Session
        from validation.latency.running.worker import Setting

        missing = self.missing()
        measurements = [Measurement(artifact, missing=missing) for artifact in artifacts]
        description = f"Core ML, {COMPUTE_UNITS[self.unit]}; {machine()}"
        if missing is not None:
            return TargetResult(self.name, description, False, missing, measurements)
        host = self.host(available_cores())
        threads = len(host.cores)  # Core ML decides, so it is unknown how many cores stay free
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
        """Add the compute plan, or a note why there is none. The times count in both cases."""
        from validation.latency.core_ml_plan.compute_plan import read_plans
        from validation.latency.core_ml_plan.placement import summarize

        try:
            plans = read_plans(measurement.artifact, self.unit, self.load_models)
        except ArtifactError as error:
            measurement.note = f"it is unknown where Core ML computes each operation: {error}"
            return
        measurement.placement = {
            component: summarize(_WANTED[self.unit], *plan) for component, plan in plans.items()
        }


def core_ml_targets() -> tuple[CoreMLTarget, ...]:
    """Return a target for each choice of compute units."""
    return tuple(map(CoreMLTarget, COMPUTE_UNITS))
