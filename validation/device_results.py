"""What an app measured on a phone: the document that both sample apps write, and its strict reader.

The classes are the schema: their fields are the document's keys, all of which are always there.
docs/device-results.md describes each. A phone is nobody's own machine: nothing in a document is taken on
trust, and one that is not exactly as expected is refused.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn, TypeVar

from reference.errors import MobileSAMError
from reference.mask_decoder import NUM_MASKS

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

MOST_BYTES = 1 << 24  # of a document; one of 1,024 runs has 0.1 MB
MOST_SAMPLES = 100_000  # of one list of times
MOST_CASES = MOST_FILES = 1000
MOST_CHARACTERS = 300  # of a text
LARGEST_DIFFERENCE = 1e6  # of scores, which lie in about 0…1
LONGEST_RUN = 3_600_000.0  # milliseconds
MOST_MEMORY = 1 << 40  # bytes

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")
_QUOTED_LENGTH = 60  # characters of a bad value that an error message repeats
_FIX = "write it as docs/device-results.md says"
_UNLESS_FAILED = ", unless 'failure' says why not"

Item = TypeVar("Item")


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
        runtime: what ran the artefact, with its version: "pytorch_android_lite 2.1.0", "Core ML, iOS 18.1".
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
    """Which artefact was measured.

    Attributes:
        model: as in manifest.json.
        format: the platform's, by FORMAT_OF.
        scheme: as in manifest.json.
        checkpoint_sha256: "checkpoint.sha256" of manifest.json.
        files: path below the artefact's folder → its identity, for all that manifest.json lists.
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
        load: from the artefact's files to both models being ready, each time that was done.
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
        peak_before: before the artefact was loaded.
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
    """Everything that one run of an app's regression test found about one artefact.

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
    text = _read(source) if isinstance(source, Path) else source
    if len(text) > MOST_BYTES:
        raise DeviceResultsError(
            f"{name}: has more than {MOST_BYTES >> 20} MiB: expected results of one run; {_FIX}"
        )
    document = _parse(name, text)
    schema = document.pop("schema", None) if isinstance(document, dict) else None
    if schema != SCHEMA:
        raise DeviceResultsError(
            f"{name}: 'schema' is {_quote(schema)}: expected '{SCHEMA}'; write it with a sample app of this "
            "version"
        )
    return _results(_Value(name, "", document).object(DeviceResults))


def to_document(results: DeviceResults) -> dict:
    """The document that ``read_device_results`` reads ``results`` from."""
    record = asdict(results)
    started_at = results.started_at.isoformat().replace("+00:00", "Z")
    return {"schema": SCHEMA, **record, "started_at": started_at}


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1).decode("utf-8")
    except FileNotFoundError:
        raise DeviceResultsError(
            f"{path}: no such file: expected what a sample app's regression test wrote"
        ) from None
    except OSError as error:
        raise DeviceResultsError(f"{path}: cannot be read ({error.strerror or error})") from None
    except ValueError:  # not UTF-8, or a null character in the path
        raise DeviceResultsError(f"{path}: is not text in UTF-8; {_FIX}") from None


def _parse(name: str, text: str) -> object:
    def refuse_constant(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is no number in JSON")

    def unique(pairs: list[tuple[str, object]]) -> dict:
        record = dict(pairs)
        if len(record) < len(pairs):
            raise ValueError("a key is there twice in one object")
        return record

    try:
        return json.loads(text, parse_constant=refuse_constant, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise DeviceResultsError(f"{name}: is not valid JSON ({error}); {_FIX}") from None


@dataclass(frozen=True)
class _Value:
    """A value of the document, its place in it, and what it may be."""

    source: str
    place: str
    value: object

    def refuse(self, expected: str) -> NoReturn:
        raise DeviceResultsError(
            f"{self.source}: '{self.place}' is {_quote(self.value)}: expected {expected}; {_FIX}"
        )

    def object(self, kind: type) -> dict[str, "_Value"]:
        """The values of an object that has exactly the fields of the class ``kind``."""
        names = [field.name for field in fields(kind)]
        if not isinstance(self.value, dict):
            self.refuse(f"an object with {', '.join(names)}")
        members = self._members(self.value)
        where = f"'{self.place}'" if self.place else "the document"
        if missing := [name for name in names if name not in members]:
            raise DeviceResultsError(
                f"{self.source}: {where} lacks {', '.join(map(repr, missing))}: expected "
                f"{', '.join(names)}; {_FIX}"
            )
        if surplus := [name for name in members if name not in names]:
            raise DeviceResultsError(
                f"{self.source}: {where} has {_quote(surplus[0])}: expected only {', '.join(names)}; {_FIX}"
            )
        return members

    def mapping(self, most: int, read: Callable[["_Value"], Item]) -> dict[str, Item]:
        """An object of any keys, at least one."""
        if not isinstance(self.value, dict) or not 1 <= len(self.value) <= most:
            self.refuse(f"an object of 1 to {most} entries")
        return {
            _Value(self.source, self.place, key).text(): read(value)
            for key, value in self._members(self.value).items()
        }

    def list(self, most: int, read: Callable[["_Value"], Item]) -> tuple[Item, ...]:
        """A list, which may be empty."""
        if not isinstance(self.value, list) or len(self.value) > most:
            self.refuse(f"a list of at most {most}")
        return tuple(
            read(_Value(self.source, f"{self.place}[{index}]", item))
            for index, item in enumerate(self.value)
        )

    def optional(self, read: Callable[["_Value"], Item]) -> Item | None:
        return None if self.value is None else read(self)

    def text(self) -> str:
        """A line of text that a terminal shows as it is."""
        value = self.value
        if not isinstance(value, str) or not value.strip() or not value.isprintable():
            self.refuse("a line of text without control characters")
        if len(value) > MOST_CHARACTERS:
            self.refuse(f"at most {MOST_CHARACTERS} characters")
        return value

    def choice(self, known: Sequence[str]) -> str:
        if not isinstance(self.value, str) or self.value not in known:
            self.refuse(" or ".join(known))
        return self.value

    def sha256(self) -> str:
        if not isinstance(self.value, str) or not _SHA256.fullmatch(self.value):
            self.refuse("a SHA-256 as 64 hexadecimal digits in lower case")
        return self.value

    def truth(self) -> bool:
        if not isinstance(self.value, bool):
            self.refuse("true or false")
        return self.value

    def integer(self, low: int, high: int) -> int:
        if not isinstance(self.value, int) or isinstance(self.value, bool):
            self.refuse(f"an integer of {low} to {high}")
        if not low <= self.value <= high:
            self.refuse(f"an integer of {low} to {high}")
        return self.value

    def number(self, low: float, high: float) -> float:
        """A number from ``low`` to ``high``; NaN and infinities are none."""
        is_number = isinstance(self.value, int | float) and not isinstance(self.value, bool)
        if not is_number or not low <= self.value <= high:
            self.refuse(f"a number of {low:g} to {high:g}")
        return float(self.value)

    def milliseconds(self) -> float:
        if self.number(0, LONGEST_RUN) == 0:
            self.refuse("more than 0 milliseconds")
        return float(self.value)

    def time(self) -> datetime:
        expected = "a time in UTC such as 2026-01-31T09:30:00Z"
        if not isinstance(self.value, str) or not _TIME.fullmatch(self.value):
            self.refuse(expected)
        try:
            return datetime.fromisoformat(self.value).astimezone(UTC)
        except ValueError:
            self.refuse(expected)

    def _members(self, record: dict) -> dict[str, "_Value"]:
        prefix = f"{self.place}." if self.place else ""
        return {
            key: _Value(self.source, f"{prefix}{_shorten(key)}", value)
            for key, value in record.items()
        }


def _results(values: Mapping[str, _Value]) -> DeviceResults:
    device = _device(values["device"].object(Device))
    limits = _limits(values["limits"].object(Limits))
    failure = values["failure"].optional(_Value.text)
    finished = failure is None
    results = DeviceResults(
        started_at=values["started_at"].time(),
        device=device,
        app=_app(values["app"].object(App)),
        compute=_compute(values["compute"].object(Compute), device.platform),
        artifact=_artifact(values["artifact"].object(ArtifactIdentity), device.platform),
        limits=limits,
        cases=values["cases"].list(MOST_CASES, lambda value: _case(value, limits)),
        milliseconds=_milliseconds(values["milliseconds"].object(Milliseconds), finished),
        memory=_memory(values["memory"].object(Memory), finished),
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


def _device(values: Mapping[str, _Value]) -> Device:
    return Device(
        values["platform"].choice(PLATFORMS), values["model"].text(), values["os_version"].text()
    )


def _app(values: Mapping[str, _Value]) -> App:
    return App(*(values[field.name].text() for field in fields(App)))


def _compute(values: Mapping[str, _Value], platform: str) -> Compute:
    unit = values["unit"].choice(COMPUTE_UNITS[platform])
    if platform == IOS:
        if values["threads"].value is not None:
            values["threads"].refuse("null on iOS, where Core ML decides")
        return Compute(unit, None)
    return Compute(unit, values["threads"].integer(1, 1024))


def _artifact(values: Mapping[str, _Value], platform: str) -> ArtifactIdentity:
    return ArtifactIdentity(
        values["model"].text(),
        values["format"].choice((FORMAT_OF[platform],)),
        values["scheme"].text(),
        values["checkpoint_sha256"].sha256(),
        values["files"].mapping(MOST_FILES, _file),
    )


def _file(value: _Value) -> FileIdentity:
    values = value.object(FileIdentity)
    return FileIdentity(values["bytes"].integer(0, MOST_MEMORY), values["sha256"].sha256())


def _limits(values: Mapping[str, _Value]) -> Limits:
    return Limits(
        values["min_iou"].number(0, 1), values["max_score_difference"].number(0, LARGEST_DIFFERENCE)
    )


def _case(value: _Value, limits: Limits) -> CaseResult:
    values = value.object(CaseResult)
    ious = values["mask_ious"].list(NUM_MASKS, lambda iou: iou.number(0, 1))
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


def _milliseconds(values: Mapping[str, _Value], finished: bool) -> Milliseconds:
    load = values["load"].list(MOST_SAMPLES, _Value.milliseconds)
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


def _stage(value: _Value, finished: bool) -> StageTimes:
    values = value.object(StageTimes)
    steady = values["steady"].list(MOST_SAMPLES, _Value.milliseconds)
    if finished and not steady:
        values["steady"].refuse(f"at least one time{_UNLESS_FAILED}")
    return StageTimes(values["first"].milliseconds(), steady)


def _memory(values: Mapping[str, _Value], finished: bool) -> Memory:
    before = values["peak_before"].integer(1, MOST_MEMORY)
    # A peak only grows.
    after = values["peak_after"].optional(lambda value: value.integer(before, MOST_MEMORY))
    if finished and after is None:
        values["peak_after"].refuse(f"the peak{_UNLESS_FAILED}")
    return Memory(before, after)


def _state(value: _Value, platform: str) -> DeviceState:
    values = value.object(DeviceState)
    known = (*THERMAL_STATES[platform], UNKNOWN)
    return DeviceState(values["thermal_state"].choice(known), values["battery_saver"].truth())


def _quote(value: object) -> str:
    """A bad value for an error message: in one line, and not a long one."""
    return _shorten(repr(value))


def _shorten(text: str) -> str:
    text = text if len(text) <= _QUOTED_LENGTH else f"{text[: _QUOTED_LENGTH - 1]}…"
    return text if text.isprintable() else repr(text)
