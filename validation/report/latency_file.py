"""What ``validate latency --json`` wrote, read again for the page; docs/latency.md has the schema.

The file may be anybody's: numbers are held to be finite and texts to be texts, and the page escapes them.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from reference.errors import MobileSAMError
from validation.latency.document import SCHEMA
from validation.latency.results import FAILED, INVALID, MEASURED, NOT_RUN

_MOST_BYTES = 1 << 28  # of a document; a thorough one of eleven artefacts has a tenth
_QUOTED_LENGTH = 60  # characters of a bad value that an error message repeats
_STATUSES = (MEASURED, INVALID, NOT_RUN, FAILED)

Item = TypeVar("Item")


class LatencyFileError(MobileSAMError):
    """Results of ``validate latency`` that cannot be read, or are not as the schema has them."""


@dataclass(frozen=True)
class RecordedRatio:
    """Times in relation to the first artefact's, with an interval."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class RecordedSummary:
    """Seconds; see ``statistics.Summary``."""

    runs: int
    min: float
    median: float
    low: float
    high: float
    p90: float
    p99: float
    mean: float


@dataclass(frozen=True)
class RecordedStage:
    """One stage of one artefact.

    Attributes:
        name: such as "image_encoder".
        problem: why there is no summary, or None.
        summary: of ``seconds``, or None.
        ratio: None for the first artefact, and where there are no pairs.
        seconds: of the runs that count.
        disturbed: how many runs do not.
    """

    name: str
    problem: str | None
    summary: RecordedSummary | None
    ratio: RecordedRatio | None
    seconds: tuple[float, ...]
    disturbed: int


@dataclass(frozen=True)
class RecordedStretch:
    """Memory during one stage: bytes at seconds."""

    stage: str
    seconds: tuple[float, ...]
    bytes: tuple[int, ...]


@dataclass(frozen=True)
class RecordedMemory:
    """Bytes with the libraries alone, and at most; and over time, which may be empty."""

    libraries: int
    peak: int
    timeline: tuple[RecordedStretch, ...]


@dataclass(frozen=True)
class RecordedCounts:
    """Instructions of a stage, on an emulated processor: of its first run, and the later ones' median."""

    stage: str
    first: int
    median: int
    ratio: float | None


@dataclass(frozen=True)
class RecordedArtifact:
    """One artefact on one target."""

    folder: str
    status: str
    reasons: tuple[str, ...]
    trained: bool
    engine: str | None
    note: str | None
    load_seconds: float | None
    cold: bool
    memory: RecordedMemory | None
    stages: tuple[RecordedStage, ...]
    counts: tuple[RecordedCounts, ...]

    @property
    def name(self) -> str:
        """The last part of the folder that was measured."""
        return self.folder.replace("\\", "/").rstrip("/").rpartition("/")[2] or self.folder


@dataclass(frozen=True)
class RecordedTarget:
    """What one target measured."""

    name: str
    description: str
    device_like: bool
    missing: str | None
    unwatched: tuple[str, ...]
    artifacts: tuple[RecordedArtifact, ...]


@dataclass(frozen=True)
class RecordedLatency:
    """All of a document that the page shows."""

    plan: str
    image: str | None
    machine: str
    versions: Mapping[str, str]
    targets: tuple[RecordedTarget, ...]


def read_latency(path: Path) -> dict:
    """The document in a file of ``validate latency --json``.

    Raises:
        LatencyFileError: the file cannot be read, or is no such document.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise LatencyFileError(
                f"{path}: has more than {_MOST_BYTES >> 20} MB: expected what validate latency "
                "--json wrote"
            )
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise LatencyFileError(
            f"{path}: cannot be read ({error.strerror or error}): write it with validate latency "
            "--json"
        ) from None
    except (ValueError, RecursionError) as error:
        raise LatencyFileError(
            f"{path}: is not valid JSON ({error}): write it with validate latency --json"
        ) from None
    try:
        parse_latency(document)
    except LatencyFileError as error:
        raise LatencyFileError(f"{path}: {error}: write it with validate latency --json") from None
    return document


def parse_latency(document: object) -> RecordedLatency:
    """What the page shows of a document; LatencyFileError if it is not as the schema has it."""
    fields = _Fields(document, "the document")
    schema = fields.get("schema", _text)
    if schema != SCHEMA:
        raise LatencyFileError(f"'schema' is {schema[:_QUOTED_LENGTH]!r}, expected '{SCHEMA}'")
    plan = fields.get("plan", _Fields)
    return RecordedLatency(
        plan=f"{plan.get('name', _text)}: at least {plan.get('runs', _count)} runs and "
        f"{plan.get('seconds', _number):g} s of each stage",
        image=fields.get("image", _or_none(_text)),
        machine=fields.get("machine", _text),
        versions=fields.get("versions", _texts_by_name),
        targets=fields.get("targets", _list(_target)),
    )


class _Fields:
    """An object of the document, and where in it that is."""

    def __init__(self, record: object, place: str) -> None:
        if not isinstance(record, dict):
            raise _unexpected(record, place, "an object")
        self._record, self._place = record, place

    def get(self, key: str, read: Callable[[object, str], Item]) -> Item:
        """The value of ``key``; one that is not there is None."""
        return read(self._record.get(key), f"{self._place}.{key}")

    def items(self, read: Callable[[object, str], Item]) -> list[tuple[str, Item]]:
        """All keys with their values."""
        return [(key, read(value, f"{self._place}.{key}")) for key, value in self._record.items()]


def _target(record: object, place: str) -> RecordedTarget:
    fields = _Fields(record, place)
    return RecordedTarget(
        name=fields.get("target", _text),
        description=fields.get("description", _text),
        device_like=fields.get("device_like", _flag),
        missing=fields.get("missing", _or_none(_text)),
        unwatched=fields.get("unwatched", _list(_text)),
        artifacts=fields.get("artifacts", _list(_artifact)),
    )


def _artifact(record: object, place: str) -> RecordedArtifact:
    fields = _Fields(record, place)
    status = fields.get("status", _text)
    if status not in _STATUSES:
        raise _unexpected(status, f"{place}.status", " or ".join(_STATUSES))
    load = fields.get("load", _or_none(_Fields))
    return RecordedArtifact(
        folder=fields.get("artifact", _text),
        status=status,
        reasons=fields.get("reasons", _list(_text)),
        trained=fields.get("checkpoint", _Fields).get("trained", _flag),
        engine=fields.get("engine", _or_none(_text)),
        note=fields.get("note", _or_none(_text)),
        load_seconds=None if load is None else load.get("seconds", _number),
        cold=load is not None and load.get("cold", _flag),
        memory=fields.get("memory", _or_none(_memory)),
        stages=fields.get("stages", _each(_stage)),
        counts=fields.get("instructions", _or_none(_each(_counts))) or (),
    )


def _stage(record: object, place: str) -> RecordedStage:
    fields = _Fields(record, place)
    turns = fields.get("turns", _list(_turn))
    return RecordedStage(
        name=place.rpartition(".")[2],
        problem=fields.get("problem", _or_none(_text)),
        summary=fields.get("summary", _or_none(_summary)),
        ratio=fields.get("ratio_to_first", _or_none(_ratio)),
        seconds=sum((seconds for seconds, counts in turns if counts), ()),
        disturbed=sum(len(seconds) for seconds, counts in turns if not counts),
    )


def _counts(record: object, place: str) -> RecordedCounts:
    fields = _Fields(record, place)
    return RecordedCounts(
        stage=place.rpartition(".")[2],
        first=fields.get("first", _count),
        median=fields.get("median", _count),
        ratio=fields.get("ratio_to_first", _or_none(_number)),
    )


def _turn(record: object, place: str) -> tuple[tuple[float, ...], bool]:
    fields = _Fields(record, place)
    seconds = fields.get("seconds", _list(_number))
    return seconds, fields.get("disturbance", _or_none(_text)) is None


def _summary(record: object, place: str) -> RecordedSummary:
    fields = _Fields(record, place)
    interval = fields.get("median_interval", _Fields)
    figures = {name: fields.get(name, _number) for name in ("min", "median", "p90", "p99", "mean")}
    return RecordedSummary(
        runs=fields.get("runs", _count),
        low=interval.get("low", _number),
        high=interval.get("high", _number),
        **figures,
    )


def _ratio(record: object, place: str) -> RecordedRatio:
    fields = _Fields(record, place)
    interval = fields.get("interval", _Fields)
    return RecordedRatio(
        fields.get("median", _number), interval.get("low", _number), interval.get("high", _number)
    )


def _memory(record: object, place: str) -> RecordedMemory:
    fields = _Fields(record, place)
    return RecordedMemory(
        libraries=fields.get("libraries_bytes", _count),
        peak=fields.get("peak_bytes", _count),
        timeline=fields.get("timeline", _or_none(_list(_stretch))) or (),
    )


def _stretch(record: object, place: str) -> RecordedStretch:
    fields = _Fields(record, place)
    seconds, sizes = fields.get("seconds", _list(_number)), fields.get("bytes", _list(_count))
    if not seconds or len(seconds) != len(sizes) or list(seconds) != sorted(seconds):
        raise _unexpected(len(sizes), f"{place}.bytes", "one for each of 'seconds', which rise")
    return RecordedStretch(fields.get("stage", _text), seconds, sizes)


def _text(value: object, place: str) -> str:
    if not isinstance(value, str):
        raise _unexpected(value, place, "a text")
    return value


def _flag(value: object, place: str) -> bool:
    if not isinstance(value, bool):
        raise _unexpected(value, place, "true or false")
    return value


def _count(value: object, place: str) -> int:
    if type(value) is not int or not 0 <= value < 1 << 53:
        raise _unexpected(value, place, "a whole number that is not negative")
    return value


def _number(value: object, place: str) -> float:
    if type(value) not in (int, float) or not 0 <= value < 1e12 or not math.isfinite(value):
        raise _unexpected(value, place, "a number that is not negative")
    return float(value)


def _texts_by_name(value: object, place: str) -> dict[str, str]:
    return dict(_Fields(value, place).items(_text))


def _list(read: Callable[[object, str], Item]) -> Callable[[object, str], tuple[Item, ...]]:
    def read_all(value: object, place: str) -> tuple[Item, ...]:
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise _unexpected(value, place, "a list")
        return tuple(read(item, f"{place}[{index}]") for index, item in enumerate(value))

    return read_all


def _each(read: Callable[[object, str], Item]) -> Callable[[object, str], tuple[Item, ...]]:
    return lambda value, place: tuple(item for _, item in _Fields(value, place).items(read))


def _or_none(read: Callable[[object, str], Item]) -> Callable[[object, str], Item | None]:
    return lambda value, place: None if value is None else read(value, place)


def _unexpected(value: object, place: str, expected: str) -> LatencyFileError:
    shown = json.dumps(value, default=str)[:_QUOTED_LENGTH]
    return LatencyFileError(
        f"'{place.removeprefix('the document.')}' is {shown}, expected {expected}"
    )
