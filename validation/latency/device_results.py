"""The results that both sample apps write on a phone, and a strict reader for them.

The classes are the schema: their fields are the document's keys, and every key is required.
docs/device-results.md describes each key. A document may come from anybody's phone, so the reader
trusts nothing and refuses a document that does not match the schema exactly.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

from reference.common.errors import MobileSAMError
from reference.modeling.mask_decoder import NUM_MASKS
from validation.documents.strict_json import Source, Value

SCHEMA = "mobile-sam-export/device-results/1"
ANDROID, IOS = PLATFORMS = ("android", "ios")
FORMAT_OF = {ANDROID: "torchscript", IOS: "coreml"}  # the format that a platform's app runs
# Platform → compute units. PyTorch's lite interpreter uses the processor only; Core ML's names are those
# of MLComputeUnits.
COMPUTE_UNITS = {ANDROID: ("cpu",), IOS: ("all", "cpu_and_ne", "cpu_and_gpu", "cpu_only")}
UNKNOWN = "unknown"
# Platform → thermal states, coolest first: PowerManager.THERMAL_STATUS_… (Android 10 and later), and
# ProcessInfo.ThermalState. An older system reports no state, which is recorded as UNKNOWN.
THERMAL_STATES = {
    ANDROID: ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown"),
    IOS: ("nominal", "fair", "serious", "critical"),
}
# The first state in which the system slows the processor down. Android's documentation says that "light"
# is throttling; iOS reduces performance from "serious" on.
_FIRST_THROTTLED = {ANDROID: "light", IOS: "serious"}

MOST_SAMPLES = 100_000  # entries in a list of times
MOST_CASES = MOST_FILES = 1000
LARGEST_DIFFERENCE = 1e6  # between scores, which lie in about 0…1
LONGEST_RUN = 3_600_000.0  # milliseconds
MOST_MEMORY = 1 << 40  # bytes

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FIX = "write it as docs/device-results.md says"
_UNLESS_FAILED = ", unless 'failure' says why not"


class DeviceResultsError(MobileSAMError):
    """A results document cannot be read, or does not match the schema."""


@dataclass(frozen=True)
class Device:
    """The device that was measured on.

    Attributes:
        platform: one of PLATFORMS.
        model: the system's name for the model, such as "Pixel 8" or "iPhone15,2".
        os_version: the version of the operating system, such as "15" or "18.1".
    """

    platform: str
    model: str
    os_version: str


@dataclass(frozen=True)
class App:
    """The app that measured.

    Attributes:
        name: the app's application or bundle identifier.
        version: the app's version.
        runtime: the library that ran the artifact, with its version, such as
            "pytorch_android_lite 2.1.0" or "Core ML, iOS 18.1".
    """

    name: str
    version: str
    runtime: str


@dataclass(frozen=True)
class Compute:
    """The processors that the artifact was allowed to use.

    Attributes:
        unit: one of the platform's COMPUTE_UNITS. It says what was allowed, not what was chosen.
        threads: the number of threads on Android; None on iOS, where Core ML decides.
    """

    unit: str
    threads: int | None


@dataclass(frozen=True)
class FileIdentity:
    """A file's size in bytes and its SHA-256, both computed on the device."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class ArtifactIdentity:
    """The artifact that was measured.

    Attributes:
        model: "model" of manifest.json.
        format: the platform's format, which FORMAT_OF names.
        scheme: "scheme" of manifest.json.
        checkpoint_sha256: "checkpoint.sha256" of manifest.json.
        files: path below the artifact's folder → the file's identity, for each file of manifest.json.
    """

    model: str
    format: str
    scheme: str
    checkpoint_sha256: str
    files: Mapping[str, FileIdentity]


@dataclass(frozen=True)
class CaseLimits:
    """The limits that every case must meet.

    Attributes:
        min_iou: the lowest IoU that each of a case's masks may have with the golden mask.
        max_score_difference: the most that each score may differ from the golden score.
    """

    min_iou: float
    max_score_difference: float


@dataclass(frozen=True)
class DeviceCase:
    """The result of one golden case. Cases keep the order of goldens.json.

    Attributes:
        name: the case's name.
        mask_ious: the IoU of each of the four masks with its golden mask, at the photo's own size.
        max_score_difference: the largest difference of the four scores to the golden scores; None if
            a score is not finite.
        passed: whether the case meets the limits.
    """

    name: str
    mask_ious: tuple[float, ...]
    max_score_difference: float | None
    passed: bool


@dataclass(frozen=True)
class StageTimes:
    """The times of a stage's runs, in milliseconds.

    Attributes:
        first: the time of the first run in the app's process.
        steady: the time of each run after the warm-up, in order.
    """

    first: float
    steady: tuple[float, ...]


@dataclass(frozen=True)
class Milliseconds:
    """All times that the app measured. Times are missing only if the app failed before.

    Attributes:
        load: milliseconds of each load, from the artifact's files until both models are ready.
        image_encoder: from the photo's frame to the embeddings.
        mask_decoder: from the embeddings and a prompt in slots to masks and scores.
        end_to_end: from the photo's file to the best mask at the photo's size.
    """

    load: tuple[float, ...]
    image_encoder: StageTimes | None
    mask_decoder: StageTimes | None
    end_to_end: StageTimes | None

    @property
    def stages(self) -> dict[str, StageTimes]:
        """The stages that were begun, by name and in order."""
        stages = {
            "image_encoder": self.image_encoder,
            "mask_decoder": self.mask_decoder,
            "end_to_end": self.end_to_end,
        }
        return {name: times for name, times in stages.items() if times is not None}


@dataclass(frozen=True)
class Memory:
    """The app's peak memory in bytes: Android's ``VmHWM``, iOS's ``ledger_phys_footprint_peak``.

    Attributes:
        peak_before: the peak before the artifact was loaded.
        peak_after: the peak at the end; None only if the app failed.
    """

    peak_before: int
    peak_after: int | None


@dataclass(frozen=True)
class DeviceState:
    """The heat and the power saving of the device, which decide whether its times count.

    Attributes:
        thermal_state: one of the platform's THERMAL_STATES, or UNKNOWN.
        battery_saver: whether Android's battery saver or iOS's low power mode is on.
    """

    thermal_state: str
    battery_saver: bool


@dataclass(frozen=True)
class DeviceResults:
    """The results of one run of an app's regression test on one artifact.

    Attributes:
        started_at: the time of the start, in UTC.
        device: the device that was measured on.
        app: the app that measured.
        compute: the processors that the artifact was allowed to use.
        artifact: the artifact that was measured.
        limits: the limits that the cases must meet.
        cases: the cases that ran; these are all goldens, unless the app failed.
        milliseconds: the times.
        memory: the app's peak memory.
        before: the device's state before the test.
        after: the device's state after the test; None only if the app failed.
        failure: the reason why the test ended early; None if it ran to its end, even with failed cases.
    """

    started_at: datetime
    device: Device
    app: App
    compute: Compute
    artifact: ArtifactIdentity
    limits: CaseLimits
    cases: tuple[DeviceCase, ...]
    milliseconds: Milliseconds
    memory: Memory
    before: DeviceState
    after: DeviceState | None
    failure: str | None

    @property
    def wrong_cases(self) -> tuple[DeviceCase, ...]:
        """The cases that do not meet the limits."""
        return tuple(case for case in self.cases if not case.passed)

    @property
    def disturbance(self) -> str | None:
        """The reason why the times do not count; None if no reason is known."""
        states = [state for state in (self.before, self.after) if state is not None]
        if any(state.battery_saver for state in states):
            return "the device saved power (battery saver, or low power mode)"
        known = THERMAL_STATES[self.device.platform]
        throttled = known[known.index(_FIRST_THROTTLED[self.device.platform]) :]
        hot = [state.thermal_state for state in states if state.thermal_state in throttled]
        return f"the device slowed down for heat (thermal state {hot[0]})" if hot else None


def read_device_results(source: Path | str) -> DeviceResults:
    """Read and check the document that an app wrote.

    Args:
        source: the path of a file, as a ``Path``, or the document itself, as a string.

    Raises:
        DeviceResultsError: the document cannot be read, is too large, is not JSON, has another
            schema, lacks a field, has an unknown field, or has an impossible value. The message names
            the field, the expectation and the fix.
    """
    name = str(source) if isinstance(source, Path) else "results of the device"
    where = Source(name, "what a sample app's regression test wrote", _FIX, DeviceResultsError)
    parsed = where.read(source) if isinstance(source, Path) else where.parse(source)
    return _results(where.document(parsed, SCHEMA).object(_names(DeviceResults)))


def to_document(results: DeviceResults) -> dict:
    """Return the document from which ``read_device_results`` reads ``results``."""
    record = asdict(results)
    started_at = results.started_at.isoformat().replace("+00:00", "Z")
    return {"schema": SCHEMA, **record, "started_at": started_at}


def _names(kind: type) -> list[str]:
    """Return the keys of a class of the schema."""
    return [field.name for field in fields(kind)]


def _sha256(value: Value) -> str:
    if not isinstance(value.value, str) or not _SHA256.fullmatch(value.value):
        value.refuse("a SHA-256 as 64 hexadecimal digits in lower case")
    return value.value


def _time_of_a_run(value: Value) -> float:
    """Read the milliseconds of one run."""
    if value.number(0, LONGEST_RUN) == 0:
        value.refuse("more than 0 milliseconds")
    return float(value.value)


def _moment(value: Value) -> datetime:
    expected = "a time in UTC such as 2026-01-31T09:30:00Z"
    if not isinstance(value.value, str) or not _TIME.fullmatch(value.value):
        value.refuse(expected)
    try:
        return datetime.fromisoformat(value.value).astimezone(UTC)
    except ValueError:
        value.refuse(expected)


def _results(values: Mapping[str, Value]) -> DeviceResults:
    device = _device(values["device"].object(_names(Device)))
    limits = _limits(values["limits"].object(_names(CaseLimits)))
    failure = values["failure"].optional(Value.text)
    finished = failure is None
    results = DeviceResults(
        started_at=_moment(values["started_at"]),
        device=device,
        app=_app(values["app"].object(_names(App))),
        compute=_compute(values["compute"].object(_names(Compute)), device.platform),
        artifact=_artifact(values["artifact"].object(_names(ArtifactIdentity)), device.platform),
        limits=limits,
        cases=values["cases"].list(lambda value: _case(value, limits), MOST_CASES),
        milliseconds=_milliseconds(values["milliseconds"].object(_names(Milliseconds)), finished),
        memory=_memory(values["memory"].object(_names(Memory)), finished),
        before=_state(values["before"], device.platform),
        after=values["after"].optional(lambda value: _state(value, device.platform)),
        failure=failure,
    )
    names = [case.name for case in results.cases]
    if len(set(names)) < len(names) or (finished and not names):
        values["cases"].refuse("every golden case exactly once, unless 'failure' says why not")
    if finished and results.after is None:
        values["after"].refuse(f"the device's state{_UNLESS_FAILED}")
    return results


def _device(values: Mapping[str, Value]) -> Device:
    return Device(
        values["platform"].choice(PLATFORMS), values["model"].text(), values["os_version"].text()
    )


def _app(values: Mapping[str, Value]) -> App:
    return App(*(values[field.name].text() for field in fields(App)))


def _compute(values: Mapping[str, Value], platform: str) -> Compute:
    unit = values["unit"].choice(COMPUTE_UNITS[platform])
    if platform == IOS:
        if values["threads"].value is not None:
            values["threads"].refuse("null on iOS, where Core ML decides")
        return Compute(unit, None)
    return Compute(unit, values["threads"].integer(1, 1024))


def _artifact(values: Mapping[str, Value], platform: str) -> ArtifactIdentity:
    return ArtifactIdentity(
        values["model"].text(),
        values["format"].choice((FORMAT_OF[platform],)),
        values["scheme"].text(),
        _sha256(values["checkpoint_sha256"]),
        values["files"].mapping(_file, 1, MOST_FILES),
    )


def _file(value: Value) -> FileIdentity:
    values = value.object(_names(FileIdentity))
    return FileIdentity(values["bytes"].integer(0, MOST_MEMORY), _sha256(values["sha256"]))


def _limits(values: Mapping[str, Value]) -> CaseLimits:
    return CaseLimits(
        values["min_iou"].number(0, 1), values["max_score_difference"].number(0, LARGEST_DIFFERENCE)
    )


def _case(value: Value, limits: CaseLimits) -> DeviceCase:
    values = value.object(_names(DeviceCase))
    ious = values["mask_ious"].list(lambda iou: iou.number(0, 1), NUM_MASKS)
    if len(ious) != NUM_MASKS:
        values["mask_ious"].refuse(f"{NUM_MASKS} numbers, one per mask")
    difference = values["max_score_difference"].optional(
        lambda item: item.number(0, LARGEST_DIFFERENCE)
    )
    holds = (
        min(ious) >= limits.min_iou
        and difference is not None
        and difference <= limits.max_score_difference
    )
    if values["passed"].truth() != holds:
        values["passed"].refuse(f"{str(holds).lower()}, by 'limits' and the case's own figures")
    return DeviceCase(values["name"].text(), ious, difference, holds)


def _milliseconds(values: Mapping[str, Value], finished: bool) -> Milliseconds:
    load = values["load"].list(_time_of_a_run, MOST_SAMPLES)
    if finished and not load:
        values["load"].refuse(f"at least one time{_UNLESS_FAILED}")
    stages = {
        name: value.optional(lambda item: _stage(item, finished))
        for name, value in values.items()
        if name != "load"
    }
    if finished and (missing := [name for name, times in stages.items() if times is None]):
        values[missing[0]].refuse(f"its times{_UNLESS_FAILED}")
    return Milliseconds(load=load, **stages)


def _stage(value: Value, finished: bool) -> StageTimes:
    values = value.object(_names(StageTimes))
    steady = values["steady"].list(_time_of_a_run, MOST_SAMPLES)
    if finished and not steady:
        values["steady"].refuse(f"at least one time{_UNLESS_FAILED}")
    return StageTimes(_time_of_a_run(values["first"]), steady)


def _memory(values: Mapping[str, Value], finished: bool) -> Memory:
    before = values["peak_before"].integer(1, MOST_MEMORY)
    # A peak never shrinks, so the later one is at least the earlier one.
    after = values["peak_after"].optional(lambda value: value.integer(before, MOST_MEMORY))
    if finished and after is None:
        values["peak_after"].refuse(f"the peak{_UNLESS_FAILED}")
    return Memory(before, after)


def _state(value: Value, platform: str) -> DeviceState:
    values = value.object(_names(DeviceState))
    known = (*THERMAL_STATES[platform], UNKNOWN)
    return DeviceState(values["thermal_state"].choice(known), values["battery_saver"].truth())
