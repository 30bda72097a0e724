"""Targets in other Python environments: another version of torch, and an emulated Arm processor."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reference.common.errors import ArtifactError
from validation.artifacts.artifact import Artifact
from validation.engines.environments import ARM64, RUNTIME, Environment
from validation.latency.machine.host import Host, available_cores, machine
from validation.latency.targets.target import Target, require_format

if TYPE_CHECKING:
    from validation.latency.results import Measurement, TargetResult
    from validation.latency.running.plan import Plan

# Runs after the first. Two are enough to show how little the counts differ, and each takes minutes.
COUNTED_RUNS = 2


class _EnvironmentTarget:
    """The part that both targets share: the lite interpreter of an environment."""

    def __init__(self, environment: Environment, measures: str) -> None:
        self._environment = environment
        self.name = environment.name
        self.measures = measures

    def require_fitting(self, artifacts: Sequence[Artifact], image: Path | None) -> None:
        """Refuse other formats: the lite interpreter runs only TorchScript. It takes any photo."""
        require_format(self.name, artifacts, "torchscript")

    def missing(self) -> str | None:
        return self._environment.missing()


class RuntimeTarget(_EnvironmentTarget):
    """A ``Target`` that measures the lite interpreter of another torch version on this processor.

    It measures the image encoder and the mask decoder. The end-to-end stage is left out, because an
    app's other work does not run in the interpreter.
    """

    def __init__(self, environment: Environment = RUNTIME) -> None:
        """Measure artifacts in ``environment``."""
        super().__init__(
            environment,
            f"milliseconds of this machine's processor in the lite interpreter of torch "
            f"{environment.torch_version} {environment.label}",
        )

    def measure(
        self, artifacts: Sequence[Artifact], plan: "Plan", image: Path | None
    ) -> "TargetResult":
        # These import torch. A list of targets should not have to wait for that.
        from validation.latency.measuring import Subject, measure_side_by_side
        from validation.latency.results import Measurement, TargetResult
        from validation.latency.running.environment_runner import EnvironmentRunner
        from validation.latency.running.plan import IMAGE_ENCODER, MASK_DECODER

        missing, host = self.missing(), Host(available_cores())
        measurements = [Measurement(artifact, missing=missing) for artifact in artifacts]
        threads = len(host.cores)
        if missing is not None:
            return TargetResult(self.name, self.measures, False, missing, measurements)
        subjects = [
            Subject(EnvironmentRunner(self._environment, item.artifact, threads, image), item)
            for item in measurements
        ]
        measure_side_by_side(subjects, plan, host, threads, (IMAGE_ENCODER, MASK_DECODER))
        description = f"{threads} {'thread' if threads == 1 else 'threads'}; {machine()}"
        return TargetResult(self.name, description, False, None, measurements, host.unwatched())


class EmulatedTarget(_EnvironmentTarget):
    """A ``Target`` that counts the instructions of an emulated processor, with one thread."""

    def __init__(self, environment: Environment = ARM64) -> None:
        """Measure artifacts in ``environment``."""
        super().__init__(environment, f"emulated: instructions, not time, {environment.label}")

    def measure(
        self, artifacts: Sequence[Artifact], plan: "Plan", image: Path | None
    ) -> "TargetResult":
        """Count instructions. The plan is ignored, because counts vary less than times."""
        from validation.latency.results import Measurement, TargetResult

        missing = self.missing()
        measurements = [Measurement(artifact, missing=missing) for artifact in artifacts]
        if missing is None:
            for item in measurements:
                try:
                    self._count(item, image)
                except ArtifactError as error:
                    item.failure = str(error)
        return TargetResult(self.name, self.measures, False, missing, measurements, emulated=True)

    def _count(self, item: "Measurement", image: Path | None) -> None:
        from reference.common.progress import progress
        from validation.latency.instructions import StageCounts
        from validation.latency.running.environment_runner import EnvironmentRunner
        from validation.latency.running.plan import IMAGE_ENCODER, MASK_DECODER

        runner = EnvironmentRunner(self._environment, item.artifact, 1, image, counting=True)
        try:
            runner.start()
            item.note = f"emulated: {runner.load().engine}"
            for stage in (IMAGE_ENCODER, MASK_DECODER):
                runs = range(1 + COUNTED_RUNS)
                first, *later = (
                    runner.count(stage)
                    for _ in progress(runs, description=stage.replace("_", " "), unit="run")
                )
                item.counts[stage] = StageCounts(first, tuple(later))
        finally:
            runner.close()


def environment_targets() -> tuple[Target, ...]:
    """Return a target for each environment."""
    return RuntimeTarget(), EmulatedTarget()
