"""Measures the latency and memory of artifacts, as ``validate latency`` does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeGuard, cast

from reference.common.one_or_more import one_or_more
from reference.photos.images import read_image
from validation.artifacts.artifact import Artifact, load_artifact
from validation.gates import read_gates
from validation.latency.document import any_failed, build_document
from validation.latency.results import TargetResult
from validation.latency.running.plan import QUICK, THOROUGH, Plan
from validation.latency.targets.cpu import CpuTarget, adjust
from validation.latency.targets.phones import PhoneTarget
from validation.latency.targets.registry import DEFAULT_TARGET, find_targets
from validation.latency.targets.target import Target, TargetError


@dataclass(frozen=True)
class LatencyResult:
    """The results of all targets, with the plan and the photo.

    Attributes:
        targets: one result per target, in order, each with one measurement per artifact.
        plan: how many runs were measured.
        image: the photo that the artifacts ran on; None for a golden photo of each artifact.
    """

    targets: list[TargetResult]
    plan: Plan
    image: str | None

    @property
    def failed(self) -> bool:
        """Whether an artifact is FAILED on a target, because it does not run or answers wrongly."""
        return any_failed(self.targets)

    def document(self) -> dict:
        """Return the result as ``validate latency --json`` writes it, with every single time."""
        return build_document(self.targets, self.plan, self.image)


def measure_latency(
    artifacts: Artifact | str | Path | Sequence[Artifact | str | Path],
    *,
    targets: str | Sequence[str] = (DEFAULT_TARGET,),
    threads: int | None = None,
    cores: Sequence[int] | None = None,
    thorough: bool = False,
    image: str | Path | None = None,
    gates: str | Path | None = None,
    on_result: Callable[[LatencyResult], None] = lambda result: None,
) -> LatencyResult:
    """Measure how long artifacts take and how much memory they need, as ``validate latency`` does.

    Example:
        >>> result = measure_latency("artifacts/mobile_sam-torchscript-int8", threads=2)
        >>> stages = result.document()["targets"][0]["artifacts"][0]["stages"]
        >>> stages["image_encoder"]["summary"]["median"]  # seconds; the summary is None if INVALID

    Args:
        artifacts: one or more folders that ``convert`` wrote. They take turns, and ratios are to the first one.
        targets: names of one or more targets, by default "cpu"; ``validate targets`` lists them.
        threads: number of threads that compute on the target "cpu". None takes one for each core.
        cores: numbers of the cores that the target "cpu" is pinned to. None lets the system choose.
        thorough: whether each stage is measured for at least 1024 runs and 60 s, instead of 50 runs and 2 s.
        image: the path of a photo to run on. None takes a golden photo of each artifact.
        gates: the path of a TOML file of limits for masks on phones, which replace defaults. None takes the defaults.
        on_result: called after each target with the result so far.

    Returns:
        The result, with times in seconds and memory in bytes. ``failed`` says whether an artifact does not
        run on a target, or answers wrongly. ``document()`` is what ``validate latency --json`` writes. A target that
        this machine lacks has the reason in place of measurements.

    Raises:
        ArtifactError: a folder is incomplete or was altered.
        TargetError: there is no such target, it does not run an artifact, or it takes no photo; or
            ``threads`` or ``cores`` are given without the target "cpu", or ``gates`` without a phone.
        GateError: the file of gates cannot be read, or contains something that is not a limit.
        ImageError: the photo cannot be read.
    """
    names = one_or_more(targets)
    chosen = _adjusted(find_targets(names), names, threads, cores)
    if gates is not None:
        chosen = _held_to(Path(gates), chosen)
    loaded = [load_artifact(artifact) for artifact in one_or_more(artifacts)]
    photo = None if image is None else Path(image)
    if photo is not None:
        read_image(photo)  # a bad photo is refused here, not by every child process
    for target in chosen:
        target.require_fitting(loaded, photo)
    plan = THOROUGH if thorough else QUICK
    result = LatencyResult([], plan, None if image is None else str(image))
    for target in chosen:
        result.targets.append(target.measure(loaded, plan, photo))
        on_result(result)
    return result


def _adjusted(
    chosen: Sequence[Target],
    names: Sequence[str],
    threads: int | None,
    cores: Sequence[int] | None,
) -> list[Target]:
    """The targets, with threads and cores for the one that takes them."""
    if threads is None and cores is None:
        return list(chosen)
    if DEFAULT_TARGET not in [target.name for target in chosen]:
        raise TargetError(
            f"--threads and --cores with {', '.join(names)}: expected the target {DEFAULT_TARGET}; "
            "device-like profiles have their own"
        )
    pinned = None if cores is None else tuple(cores)
    return [
        cast(Target, adjust(target, threads, pinned)) if _takes_threads(target) else target
        for target in chosen
    ]


def _held_to(path: Path, chosen: Sequence[Target]) -> list[Target]:
    """The targets, with limits from a file for the phones among them."""
    if not any(isinstance(target, PhoneTarget) for target in chosen):
        names = ", ".join(target.name for target in chosen)
        raise TargetError(
            f"--gates {path} with {names}: expected the target android or ios, whose apps check masks"
        )
    limits = read_gates(path)
    return [
        replace(target, gates=limits) if isinstance(target, PhoneTarget) else target
        for target in chosen
    ]


def _takes_threads(target: Target) -> TypeGuard[CpuTarget]:
    return target.name == DEFAULT_TARGET
