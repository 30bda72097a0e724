"""Reads the file of ``validate latency --json`` for the report page; docs/latency.md has the schema.

The file may come from anybody, so every number must be finite and every text a string. The page
escapes the texts.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from reference.common.errors import MobileSAMError
from validation.documents.strict_json import JsonSource, Value
from validation.documents.verdicts import FAILED, NOT_RUN
from validation.latency.document import SCHEMA
from validation.latency.results import INVALID, MEASURED

_SCHEMA_1 = "mobile-sam-export/latency/1"
_MOST_BYTES = 1 << 26  # a document of eleven artifacts, measured thoroughly, has half of that
_MOST_CHARACTERS = 10_000  # in one text
_FIX = "write it with validate latency --json"
_STATUSES = (MEASURED, INVALID, NOT_RUN, FAILED)

Item = TypeVar("Item")


class LatencyFileError(MobileSAMError):
    """Results of ``validate latency`` cannot be read, or do not match the schema."""


@dataclass(frozen=True)
class RecordedRatio:
    """The ratio of an artifact's times to those of the first artifact, with an interval."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class RecordedSummary:
    """A ``statistics.Summary``, in seconds; ``low`` and ``high`` bound the median."""

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
    """One stage of one artifact.

    Attributes:
        name: the stage's name, such as "image_encoder".
        problem: the reason why there is no summary, or None.
        summary: the summary of ``seconds``, or None.
        ratio: the ratio to the first artifact; None for that artifact itself, and without pairs.
        seconds: the times of the runs that count.
        disturbed: the number of runs that do not count.
    """

    name: str
    problem: str | None
    summary: RecordedSummary | None
    ratio: RecordedRatio | None
    seconds: tuple[float, ...]
    disturbed: int


@dataclass(frozen=True)
class RecordedStretch:
    """The memory during one stage: ``bytes`` in use at each of ``seconds``."""

    stage: str
    seconds: tuple[float, ...]
    bytes: tuple[int, ...]


@dataclass(frozen=True)
class RecordedMemory:
    """Bytes with only the libraries loaded, the peak in bytes, and a timeline that may be empty."""

    libraries: int
    peak: int
    timeline: tuple[RecordedStretch, ...]


@dataclass(frozen=True)
class RecordedCounts:
    """A stage's instructions on an emulated processor: the count of the first run, and the median of the later runs."""

    stage: str
    first: int
    median: int
    ratio: float | None


@dataclass(frozen=True)
class RecordedArtifact:
    """One artifact on one target."""

    name: str
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


@dataclass(frozen=True)
class RecordedTarget:
    """The results of one target."""

    name: str
    description: str
    device_like: bool
    missing: str | None
    unwatched: tuple[str, ...]
    artifacts: tuple[RecordedArtifact, ...]


@dataclass(frozen=True)
class RecordedLatency:
    """The part of a document that the page shows."""

    plan: str
    image: str | None
    machine: str
    versions: Mapping[str, str]
    targets: tuple[RecordedTarget, ...]


def read_latency(path: Path) -> dict:
    """Read the document in a file of ``validate latency --json``.

    Raises:
        LatencyFileError: the file cannot be read, or does not match the schema.
    """
    source = JsonSource(str(path), "results of validate latency", _FIX, LatencyFileError)
    document = source.read(path, _MOST_BYTES)
    _latency(source, document)
    return document


def parse_latency(document: object) -> RecordedLatency:
    """Parse the part of a document that the page shows.

    Raises:
        LatencyFileError: the document does not match the schema.
    """
    return _latency(
        JsonSource("latency", "results of validate latency", _FIX, LatencyFileError), document
    )


def _latency(source: JsonSource, document: object) -> RecordedLatency:
    is_old = isinstance(document, dict) and document.get("schema") == _SCHEMA_1
    record = source.document(document, _SCHEMA_1 if is_old else SCHEMA)
    read_artifact = _old_artifact if is_old else _artifact
    plan = record.get("plan")
    return RecordedLatency(
        plan=f"{_text(plan.get('name'))}: at least {_count(plan.get('runs'))} runs and "
        f"{_number(plan.get('seconds')):g} s of each stage",
        image=record.get("image").optional(_text),
        machine=_text(record.get("machine")),
        versions=record.get("versions").mapping(_text),
        targets=record.get("targets").list(lambda target: _target(target, read_artifact)),
    )


def _target(record: Value, read_artifact: Callable[[Value], RecordedArtifact]) -> RecordedTarget:
    return RecordedTarget(
        name=_text(record.get("target")),
        description=_text(record.get("description")),
        device_like=record.get("device_like").truth(),
        missing=record.get("missing").optional(_text),
        unwatched=record.get("unwatched").list(_text),
        artifacts=record.get("artifacts").list(read_artifact),
    )


def _old_artifact(entry: Value) -> RecordedArtifact:
    """Read an entry of schema 1, which has the artifact's path and checkpoint beside its results."""
    path, checkpoint = _text(entry.get("artifact")), entry.get("checkpoint")
    name = path.replace("\\", "/").rstrip("/").rpartition("/")[2] or path
    checkpoint.get("trained").truth()  # refused here, since the message names the place in the file
    artifact = {"name": name, "path": path, "checkpoint": checkpoint.value}
    return _artifact(replace(entry, value={**entry.value, "artifact": artifact}))


def _artifact(record: Value) -> RecordedArtifact:
    artifact, load = record.get("artifact"), record.get("load")
    return RecordedArtifact(
        name=_text(artifact.get("name")),
        status=record.get("status").choice(_STATUSES),
        reasons=record.get("reasons").list(_text),
        trained=artifact.get("checkpoint").get("trained").truth(),
        engine=record.get("engine").optional(_text),
        note=record.get("note").optional(_text),
        load_seconds=load.optional(lambda value: _number(value.get("seconds"))),
        cold=load.optional(lambda value: value.get("cold").truth()) or False,
        memory=record.get("memory").optional(_memory),
        stages=_by_stage(record.get("stages"), _stage),
        counts=record.get("instructions").optional(lambda value: _by_stage(value, _counts)) or (),
    )


def _by_stage(record: Value, read: Callable[[str, Value], Item]) -> tuple[Item, ...]:
    """Read each entry of an object, together with its key, the stage's name."""
    return tuple(read(name, value) for name, value in record.mapping(lambda value: value).items())


def _stage(name: str, record: Value) -> RecordedStage:
    turns = record.get("turns").list(_turn)
    return RecordedStage(
        name=name,
        problem=record.get("problem").optional(_text),
        summary=record.get("summary").optional(_summary),
        ratio=record.get("ratio_to_first").optional(_ratio),
        seconds=sum((seconds for seconds, counts in turns if counts), ()),
        disturbed=sum(len(seconds) for seconds, counts in turns if not counts),
    )


def _counts(name: str, record: Value) -> RecordedCounts:
    return RecordedCounts(
        stage=name,
        first=_count(record.get("first")),
        median=_count(record.get("median")),
        ratio=record.get("ratio_to_first").optional(_number),
    )


def _turn(record: Value) -> tuple[tuple[float, ...], bool]:
    """Return a turn's seconds, and whether they count."""
    seconds = record.get("seconds").list(_number)
    return seconds, record.get("disturbance").optional(_text) is None


def _summary(record: Value) -> RecordedSummary:
    low, high = _interval(record.get("median_interval"))
    figures = {name: _number(record.get(name)) for name in ("min", "median", "p90", "p99", "mean")}
    return RecordedSummary(runs=_count(record.get("runs")), low=low, high=high, **figures)


def _ratio(record: Value) -> RecordedRatio:
    return RecordedRatio(_number(record.get("median")), *_interval(record.get("interval")))


def _interval(record: Value) -> tuple[float, float]:
    return _number(record.get("low")), _number(record.get("high"))


def _memory(record: Value) -> RecordedMemory:
    return RecordedMemory(
        libraries=_count(record.get("libraries_bytes")),
        peak=_count(record.get("peak_bytes")),
        timeline=record.get("timeline").optional(lambda value: value.list(_stretch)) or (),
    )


def _stretch(record: Value) -> RecordedStretch:
    seconds, sizes = record.get("seconds").list(_number), record.get("bytes").list(_count)
    if not seconds or len(seconds) != len(sizes) or list(seconds) != sorted(seconds):
        record.get("bytes").refuse(
            "one entry per entry of 'seconds', which must be in ascending order"
        )
    return RecordedStretch(_text(record.get("stage")), seconds, sizes)


def _text(value: Value) -> str:
    return value.text(_MOST_CHARACTERS)


def _count(value: Value) -> int:
    return value.integer(0, 1 << 53)


def _number(value: Value) -> float:
    return value.number(0, 1e12)
