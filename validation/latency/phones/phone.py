"""The part of measuring that all phones share: one artifact after another, and reading an app's results."""

import statistics
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence

from reference.common.errors import MobileSAMError
from reference.common.progress import progress
from validation.artifacts.artifact import Artifact, read_manifest
from validation.comparison.golden_proof import unproven_by_goldens
from validation.documents.verdicts import Unavailable
from validation.gates import Gates, gates_for
from validation.latency.device_results_schema import (
    UNKNOWN,
    ArtifactIdentity,
    CaseLimits,
    DeviceResults,
    FileIdentity,
)
from validation.latency.phones.external_tool import ToolOutcome
from validation.latency.results import Measurement, StageTimes, TargetResult, Turn
from validation.latency.running.plan import Plan
from validation.latency.running.session import Load
from validation.questions.goldens import golden_cases

# Seconds. Even a slow phone finishes its runs of an artifact in less.
LONGEST_TEST = 3600.0
_WARM = "it is unknown whether the phone had cached them"


class PhoneError(MobileSAMError):
    """A phone cannot measure an artifact."""


class PhoneGoneError(PhoneError):
    """A phone was disconnected while it was used."""


class PhoneBusyError(PhoneError):
    """A phone is in use by another run."""


class Phone(ABC):
    """A phone that is ready to measure."""

    @property
    @abstractmethod
    def description(self) -> str:
        """The phone's model, its system, and what tells it from other phones."""

    @abstractmethod
    def measure(self, measurement: Measurement, plan: Plan, limits: CaseLimits) -> None:
        """Run ``measurement.artifact`` on the phone, hold it to ``limits``, and fill in the results.

        Raises:
            PhoneGoneError: the phone was disconnected.
            MobileSAMError: the phone could not measure, or wrote results that do not fit.
        """

    @abstractmethod
    def _require_present(self, what: str) -> None:
        """Raise PhoneGoneError if the phone was disconnected before it could do ``what``."""

    def _require(self, outcome: ToolOutcome, what: str) -> None:
        """Raise PhoneError, or PhoneGoneError, if the phone could not do ``what``."""
        if outcome.status:
            self._require_present(what)
            raise PhoneError(f"the phone cannot {what} ({outcome.complaint})")


def measure_on_phone(
    name: str,
    measures: str,
    phone: Phone | Unavailable,
    artifacts: Sequence[Artifact],
    plan: Plan,
    gates: Mapping[str, Mapping[str, Gates]],
) -> TargetResult:
    """Measure artifacts one after another on a phone.

    If the phone is disconnected, the results until then are kept.

    Args:
        name: the target's name.
        measures: what the figures mean, in words.
        phone: the phone, or the reason why there is none.
        artifacts: the artifacts to measure.
        plan: how many runs are measured.
        gates: format → scheme → the limits that the app holds an artifact's cases to.
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
            phone.measure(item, plan, _limits_of(item.artifact, gates))
        except PhoneGoneError as error:
            item.failure = str(error)
            gone = f"the phone was disconnected while {item.artifact.name} was measured: connect it again"
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


def _limits_of(artifact: Artifact, gates: Mapping[str, Mapping[str, Gates]]) -> CaseLimits:
    limits = gates_for(artifact, gates)
    # An app holds all four masks to one limit.
    lowest = min(limits.min_iou, limits.min_hidden_iou)
    return CaseLimits(lowest, limits.max_score_difference)


def fill_in(
    measurement: Measurement,
    results: DeviceResults,
    plan: Plan,
    platform: str,
    limits: CaseLimits,
) -> None:
    """Fill an app's results into a measurement.

    The measurement has FAILED if the app failed, a mask is wrong, or the goldens prove too little.

    Args:
        measurement: the measurement of the artifact that the app ran.
        results: what the app wrote.
        plan: how many runs were measured.
        platform: the platform that the results must come from.
        limits: the limits that the app was given.

    Raises:
        PhoneError: the results belong to another platform or artifact, or used other limits.
    """
    if results.device.platform != platform:
        raise PhoneError(
            f"the app's results come from {results.device.platform}: expected {platform}"
        )
    _require_same(measurement.artifact, results, limits)
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
        measurement.failure = f"the app's masks match the golden masks, but {'; '.join(missing)}"


def _require_same(artifact: Artifact, results: DeviceResults, limits: CaseLimits) -> None:
    """Refuse results of another artifact, with other cases, or with other limits."""
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
        ("limits", limits, results.limits),
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
    """Group a phone's runs into turns as ``measuring`` does, because neighboring runs resemble each other."""
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
