"""What an app measured on a phone: the document that both sample apps write, and its strict reader.

The classes are the schema: their fields are the document's keys, all of which are always there.
docs/device-results.md describes each. A phone is nobody's own machine: nothing in a document is taken on
trust, and one that is not exactly as expected is refused.
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
FORMAT_OF = {ANDROID: "torchscript", IOS: "coreml"}  # what an app of a platform runs
# Platform → what computes: PyTorch's lite interpreter knows the processor, Core ML what MLComputeUnits names.
COMPUTE_UNITS = {ANDROID: ("cpu",), IOS: ("all", "cpu_and_ne", "cpu_and_gpu", "cpu_only")}
UNKNOWN = "unknown"
# Platform → thermal states, coolest first: PowerManager.THERMAL_STATUS_… (Android 10 and later), and
# ProcessInfo.ThermalState. An older system's is UNKNOWN.
THERMAL_STATES = {
    ANDROID: ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown"),
    IOS: ("nominal", "fair", "serious", "critical"),
}
# The first state in which the system slows the processor down. Android's "light" is throttling by its own
# documentation; iOS reduces performance from "serious" on.
_FIRST_THROTTLED = {ANDROID: "light", IOS: "serious"}

MOST_SAMPLES = 100_000  # of one list of times
MOST_CASES = MOST_FILES = 1000
LARGEST_DIFFERENCE = 1e6  # of scores, which lie in about 0…1
LONGEST_RUN = 3_600_000.0  # milliseconds
MOST_MEMORY = 1 << 40  # bytes

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FIX = "write it as docs/device-results.md says"
_UNLESS_FAILED = ", unless 'failure' says why not"


class DeviceResultsError(MobileSAMError):
    """Results of a device that cannot be read, or are not as the schema has them."""


@dataclass(frozen=True)
class Device:
    """What was measured on.

    Attributes:
        platform: one of PLATFORMS.
        model: as the system names it: "Pixel 8", "iPhone15,2".
        os_version: "15", "18.1".
    """

    platform: str
    model: str
    os_version: str


@dataclass(frozen=True)
class App:
    """What measured.

    Attributes:
        name: its application or bundle identifier.
        version: its own.
        runtime: what ran the artifact, with its version: "pytorch_android_lite 2.1.0", "Core ML, iOS 18.1".
    """

    name: str
    version: str
    runtime: str


@dataclass(frozen=True)
class Compute:
    """Where it was computed.

    Attributes:
        unit: one of COMPUTE_UNITS of the platform: what was allowed, not what was chosen.
        threads: how many, on Android; None on iOS, where Core ML decides.
    """

    unit: str
    threads: int | None


@dataclass(frozen=True)
class FileIdentity:
    """A file's size in bytes and SHA-256, as the device counted them."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class ArtifactIdentity:
    """Which artifact was measured.

    Attributes:
        model: as in manifest.json.
        format: the platform's, by FORMAT_OF.
        scheme: as in manifest.json.
        checkpoint_sha256: "checkpoint.sha256" of manifest.json.
        files: path below the artifact's folder → its identity, for all that manifest.json lists.
    """

    model: str
    format: str
    scheme: str
    checkpoint_sha256: str
    files: Mapping[str, FileIdentity]


@dataclass(frozen=True)
class Limits:
    """What every case was held to.

    Attributes:
        min_iou: of each of its masks.
        max_score_difference: of each of its scores.
    """

    min_iou: float
    max_score_difference: float


@dataclass(frozen=True)
class CaseResult:
    """One golden case, in the order of goldens.json.

    Attributes:
        name: the case's.
        mask_ious: of the four masks, at the photo's own size, with the golden ones.
        max_score_difference: largest of the four, with the golden ones; None if a score is not finite.
        passed: whether it holds the limits.
    """

    name: str
    mask_ious: tuple[float, ...]
    max_score_difference: float | None
    passed: bool


@dataclass(frozen=True)
class StageTimes:
    """Milliseconds of a stage's runs.

    Attributes:
        first: the first run in the app's process.
        steady: each run after the warm-up, in order.
    """

    first: float
    steady: tuple[float, ...]


@dataclass(frozen=True)
class Milliseconds:
    """How long things took; None, or no times, only if the app failed before.

    Attributes:
        load: from the artifact's files to both models being ready, each time that was done.
        image_encoder: photo's frame → embeddings.
        mask_decoder: embeddings and a prompt in slots → masks and scores.
        end_to_end: photo's file → the best mask at the photo's size.
    """

    load: tuple[float, ...]
    image_encoder: StageTimes | None
    mask_decoder: StageTimes | None
    end_to_end: StageTimes | None

    @property
    def stages(self) -> dict[str, StageTimes]:
        """Those that were begun, by name, in order."""
        stages = {
            "image_encoder": self.image_encoder,
            "mask_decoder": self.mask_decoder,
            "end_to_end": self.end_to_end,
        }
        return {name: times for name, times in stages.items() if times is not None}


@dataclass(frozen=True)
class Memory:
    """The process's peak in bytes: Android ``VmHWM``, iOS ``ledger_phys_footprint_peak``.

    Attributes:
        peak_before: before the artifact was loaded.
        peak_after: at the end; None only if the app failed.
    """

    peak_before: int
    peak_after: int | None


@dataclass(frozen=True)
class DeviceState:
    """Whether the device is fit to be measured.

    Attributes:
        thermal_state: one of THERMAL_STATES of the platform, or UNKNOWN.
        battery_saver: Android's battery saver, iOS's low power mode.
    """

    thermal_state: str
    battery_saver: bool


@dataclass(frozen=True)
class DeviceResults:
    """Everything that one run of an app's regression test found about one artifact.

    Attributes:
        started_at: in UTC.
        device: what was measured on.
        app: what measured.
        compute: where it was computed.
        artifact: what was measured.
        limits: what the cases were held to.
        cases: those that ran: all goldens, unless the app failed.
        milliseconds: how long things took.
        memory: how much it took.
        before: the device's state before.
        after: its state at the end; None only if the app failed.
        failure: what ended the test early; None if it came to its end, whether or not all cases passed.
    """

    started_at: datetime
    device: Device
    app: App
    compute: Compute
    artifact: ArtifactIdentity
    limits: Limits
    cases: tuple[CaseResult, ...]
    milliseconds: Milliseconds
    memory: Memory
    before: DeviceState
    after: DeviceState | None
    failure: str | None

    @property
    def wrong_cases(self) -> tuple[CaseResult, ...]:
        """Those that do not hold the limits."""
        return tuple(case for case in self.cases if not case.passed)

    @property
    def disturbance(self) -> str | None:
        """Why the times do not count; None if nothing is known against them."""
        states = [state for state in (self.before, self.after) if state is not None]
        if any(state.battery_saver for state in states):
            return "the device saved power (battery saver, or low power mode)"
        known = THERMAL_STATES[self.device.platform]
        throttled = known[known.index(_FIRST_THROTTLED[self.device.platform]) :]
        hot = [state.thermal_state for state in states if state.thermal_state in throttled]
        return f"the device slowed down for heat (thermal state {hot[0]})" if hot else None


def read_device_results(source: Path | str) -> DeviceResults:
    """Read and check what an app wrote.

    Args:
        source: a file's path, as a ``Path``; or the document itself, as a string.

    Raises:
        DeviceResultsError: it cannot be read, is too large, is no JSON, is of another schema, lacks a
            field or has one more, or has a value that cannot be. The message names the field, what was
            expected, and the fix.
    """
    name = str(source) if isinstance(source, Path) else "results of the device"
    where = Source(name, "what a sample app's regression test wrote", _FIX, DeviceResultsError)
    parsed = where.read(source) if isinstance(source, Path) else where.parse(source)
    return _results(where.document(parsed, SCHEMA).object(_names(DeviceResults)))


def to_document(results: DeviceResults) -> dict:
    """The document that ``read_device_results`` reads ``results`` from."""
    record = asdict(results)
    started_at = results.started_at.isoformat().replace("+00:00", "Z")
    return {"schema": SCHEMA, **record, "started_at": started_at}


def _names(kind: type) -> list[str]:
    """The keys of a class of the schema."""
    return [field.name for field in fields(kind)]


def _sha256(value: Value) -> str:
    if not isinstance(value.value, str) or not _SHA256.fullmatch(value.value):
        value.refuse("a SHA-256 as 64 hexadecimal digits in lower case")
    return value.value


def _time_of_a_run(value: Value) -> float:
    """Milliseconds."""
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
    limits = _limits(values["limits"].object(_names(Limits)))
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
        values["cases"].refuse("every golden once, unless 'failure' says why not")
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


def _limits(values: Mapping[str, Value]) -> Limits:
    return Limits(
        values["min_iou"].number(0, 1), values["max_score_difference"].number(0, LARGEST_DIFFERENCE)
    )


def _case(value: Value, limits: Limits) -> CaseResult:
    values = value.object(_names(CaseResult))
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
    return CaseResult(values["name"].text(), ious, difference, holds)


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
    # A peak only grows.
    after = values["peak_after"].optional(lambda value: value.integer(before, MOST_MEMORY))
    if finished and after is None:
        values["peak_after"].refuse(f"the peak{_UNLESS_FAILED}")
    return Memory(before, after)


def _state(value: Value, platform: str) -> DeviceState:
    values = value.object(_names(DeviceState))
    known = (*THERMAL_STATES[platform], UNKNOWN)
    return DeviceState(values["thermal_state"].choice(known), values["battery_saver"].truth())
