"""What measuring on any phone takes: one artifact after another, and an app's results as a measurement."""

import statistics
from collections.abc import Iterator, Sequence
from typing import Protocol

from reference.common.errors import MobileSAMError
from reference.common.progress import progress
from validation.artifacts.artifact import Artifact, read_manifest
from validation.comparison.golden_proof import unproven_by_goldens
from validation.documents.verdicts import Unavailable
from validation.gates import gates_for, read_gates
from validation.latency.device_results import (
    UNKNOWN,
    ArtifactIdentity,
    DeviceResults,
    FileIdentity,
    Limits,
)
from validation.latency.results import Measurement, StageTimes, TargetResult, Turn
from validation.latency.running.plan import Plan
from validation.latency.running.session import Load
from validation.questions.goldens import golden_cases

# Beyond this no phone has an artifact of this size run so often.
LONGEST_TEST = 3600.0  # seconds
_WARM = "whether the phone had the files in its cache is not known"


class PhoneError(MobileSAMError):
    """A phone that cannot measure an artifact, and why."""


class PhoneGoneError(PhoneError):
    """A phone that was there, and is no more."""


class PhoneBusyError(PhoneError):
    """A phone that another run uses."""


class Phone(Protocol):
    """A phone that is ready.

    Attributes:
        description: model, system and whatever else tells it from others.
    """

    description: str

    def measure(self, measurement: Measurement, plan: Plan) -> None:
        """Run ``measurement.artifact`` there, and fill in what comes of it.

        Raises:
            PhoneGoneError: the phone vanished.
            MobileSAMError: it could not measure; or what it wrote is not as it should be.
        """
        ...


def measure_on_phone(
    name: str,
    measures: str,
    phone: Phone | Unavailable,
    artifacts: Sequence[Artifact],
    plan: Plan,
) -> TargetResult:
    """Measure artifacts one after another, if the phone is there; one that vanishes keeps what it had.

    Args:
        name: the target's.
        measures: what is measured, in words.
        phone: which; or why there is none.
        artifacts: what is measured.
        plan: how much.
    """
    if isinstance(phone, Unavailable):
        missing = [Measurement(artifact, missing=phone.reason) for artifact in artifacts]
        return TargetResult(name, measures, False, phone.reason, missing)
    measurements = [Measurement(artifact) for artifact in artifacts]
    gone = None
    for item in progress(measurements, description=name, unit="artifact"):
        if gone is not None:
            item.missing = gone
            continue
        try:
            phone.measure(item, plan)
        except PhoneGoneError as error:
            item.failure = str(error)
            gone = (
                f"the phone has been gone since {item.artifact.name} was measured: connect it again"
            )
        except PhoneBusyError as error:
            item.missing = str(error)
        except MobileSAMError as error:
            item.failure = str(error)
    return TargetResult(
        name,
        phone.description,
        False,
        None,
        measurements,
        _unwatched(measurements),
        side_by_side=False,
    )


def _unwatched(measurements: Sequence[Measurement]) -> list[str]:
    results = [item.phone for item in measurements if item.phone is not None]
    states = [state for each in results for state in (each.before, each.after) if state is not None]
    unknown = any(state.thermal_state == UNKNOWN for state in states)
    return ["throttling for heat"] if unknown else []


def limits_of(artifact: Artifact) -> Limits:
    """What an app holds an artifact's cases to: its gates."""
    gates = gates_for(artifact, read_gates())
    return Limits(gates.min_iou, gates.max_score_difference)


def fill_in(measurement: Measurement, results: DeviceResults, plan: Plan, platform: str) -> None:
    """What an app measured, as a measurement: FAILED if the app failed, or a mask is wrong or proves nothing.

    Raises:
        PhoneError: the results are another platform's or artifact's, or held to other limits.
    """
    if results.device.platform != platform:
        raise PhoneError(f"the app's results are of {results.device.platform}: expected {platform}")
    _require_same(measurement.artifact, results)
    measurement.phone = results
    times, disturbance = results.milliseconds, results.disturbance
    if times.load:
        measurement.load = Load(_engine(results), times.load[0] / 1000, _WARM, 0.0)
        measurement.load_disturbance = disturbance
    for stage, samples in times.stages.items():
        measurement.stages[stage] = stage_times(samples.steady, plan, disturbance, samples.first)
    memory = results.memory
    if memory.peak_after is not None:
        measurement.memory = memory.peak_before, memory.peak_after
    if results.failure is not None:
        measurement.failure = f"the app ended early: {results.failure}"
    elif results.wrong_cases:
        measurement.failure = _wrong(results)
    elif missing := unproven_by_goldens(measurement.artifact):
        measurement.failure = f"the app's masks are the golden ones, but {'; '.join(missing)}"


def _require_same(artifact: Artifact, results: DeviceResults) -> None:
    """Refuse results of another artifact, of other cases, or held to other limits."""
    files = read_manifest(artifact)["files"].items()
    identity = ArtifactIdentity(
        artifact.model,
        artifact.format,
        artifact.scheme,
        artifact.checkpoint.sha256,
        {name: FileIdentity(record["bytes"], record["sha256"]) for name, record in files},
    )
    names = golden_cases(artifact)
    measured = [case.name for case in results.cases]
    for what, ours, theirs in (
        ("artifact", identity, results.artifact),
        ("limits", limits_of(artifact), results.limits),
        ("golden cases", names if results.failure is None else names[: len(measured)], measured),
    ):
        if ours != theirs:
            raise PhoneError(
                f"the app's results do not have the {what} of {artifact.name}: install the "
                "sample app of this version, and measure again"
            )


def stage_times(
    milliseconds: Sequence[float],
    plan: Plan,
    disturbance: str | None = None,
    first: float | None = None,
) -> StageTimes:
    """Runs of a phone in turns as ``measuring`` would have taken them: neighbors resemble each other."""
    times = StageTimes(plan)
    if first is not None:
        times.first = Turn((first / 1000,), disturbance)
    seconds = [sample / 1000 for sample in milliseconds]
    if seconds:
        calls = plan.calls(statistics.median(seconds))
        times.turns = [Turn(tuple(part), disturbance) for part in _parts(seconds, calls)]
    return times


def _parts(values: Sequence[float], length: int) -> Iterator[Sequence[float]]:
    return (values[start : start + length] for start in range(0, len(values), length))


def _engine(results: DeviceResults) -> str:
    app, compute = results.app, results.compute
    threads = "" if compute.threads is None else f" with {compute.threads} threads"
    return f"{app.runtime} on {compute.unit}{threads} in {app.name} {app.version}"


def _wrong(results: DeviceResults) -> str:
    first, limits = results.wrong_cases[0], results.limits
    difference = first.max_score_difference
    off = "not finite" if difference is None else f"off by {difference:.4f}"
    return (
        f"{len(results.wrong_cases)} of {len(results.cases)} golden cases are wrong on the phone: "
        f"{first.name}: mask IoU {min(first.mask_ious):.4f} (gate {limits.min_iou:g}), score {off} "
        f"(gate {limits.max_score_difference:g})"
    )
