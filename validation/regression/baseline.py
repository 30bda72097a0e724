"""Reads and writes a baseline: the file in which a project commits the accepted state of its artifacts.

It is sorted JSON with one value per line, so that its diff shows what changed. It may come from
anywhere, so every value is checked.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from reference.common.errors import MobileSAMError
from reference.common.output_files import replacing
from validation.artifacts.artifact import Artifact
from validation.documents.strict_json import JsonSource, Value
from validation.regression.errors import BaselineError
from validation.regression.figures import DEVICE_FIGURES, FIGURES
from validation.regression.outlines import read_outline
from validation.regression.record import LARGEST, Entry, Record

SCHEMA = "mobile-sam-export/baseline/1"
_MOST_CHARACTERS = 10_000  # in one text; the texts of masks are the longest
_FIX = "write it with 'validate regress --update', and commit it"

Devices = Mapping[str, Mapping[str, Mapping[str, float]]]


@dataclass(frozen=True)
class Baseline:
    """The contents of a baseline file.

    Attributes:
        artifacts: ``artifact_key`` → the artifact's record.
        devices: device in words → ``artifact_key`` → name in DEVICE_FIGURES → number.
    """

    artifacts: Mapping[str, Record] = field(default_factory=dict)
    devices: Devices = field(default_factory=dict)


def artifact_key(model: str, format_name: str, scheme: str) -> str:
    """Return an artifact's name in a baseline, such as ``vit_t coreml int8``, wherever its folder is."""
    return f"{model} {format_name} {scheme}"


def key_of(artifact: Artifact) -> str:
    """Return the ``artifact_key`` of an artifact."""
    return artifact_key(artifact.model, artifact.format, artifact.scheme)


def require_record(baseline: Baseline, path: Path, key: str) -> Record:
    """Return the record of an artifact.

    Raises:
        BaselineError: the baseline has no record of it.
    """
    if key not in baseline.artifacts:
        known = ", ".join(f"'{name}'" for name in baseline.artifacts) or "none"
        raise BaselineError(
            f"{path}: has no artifact '{key}': expected one of the baseline's artifacts ({known}); add "
            "it with 'validate regress --update'"
        )
    return baseline.artifacts[key]


def read_baseline(path: Path) -> Baseline:
    """Read and check a baseline.

    Raises:
        BaselineError: the file is missing, unreadable or damaged, or has another schema.
    """
    source = JsonSource(str(path), "a baseline", _FIX, BaselineError)
    sections = source.document(source.read(path), SCHEMA).object(("artifacts", "devices"))
    return Baseline(
        sections["artifacts"].mapping(_record),
        sections["devices"].mapping(
            lambda device: device.mapping(lambda record: _figures(record, DEVICE_FIGURES))
        ),
    )


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Write a baseline.

    Raises:
        OutputError: the file cannot be written.
    """
    document = {"schema": SCHEMA, **asdict(baseline)}
    text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    with replacing(path) as draft:
        draft.write_text(f"{text}\n", encoding="utf-8")


def _record(value: Value) -> Record:
    members = value.object([item.name for item in fields(Record)])
    return Record(
        manifest=members["manifest"].mapping(_entry),
        operators=members["operators"].mapping(lambda kinds: kinds.list(Value.text)),
        figures=_figures(members["figures"], FIGURES),
        masks=members["masks"].mapping(_outline),
        engine=_text_if_any(members["engine"]),
        calibration=_text_if_any(members["calibration"]),
        machine=_text_if_any(members["machine"]),
        files=members["files"].mapping(Value.text),
        tools=members["tools"].mapping(Value.text),
    )


def _figures(value: Value, known: Collection[str]) -> dict[str, float]:
    numbers = value.mapping(_number)
    if unknown := [name for name in numbers if name not in known]:
        Value(value.source, f"{value.place} key", unknown[0]).refuse(f"one of {', '.join(known)}")
    return numbers


def _number(value: Value) -> float:
    """Read a number without converting it, so that sizes stay integers."""
    value.number(-LARGEST, LARGEST)
    return value.value


def _text_if_any(value: Value) -> str:
    """Read a text, which is empty if its value was not measured."""
    return "" if value.value == "" else value.text()


def _entry(value: Value) -> Entry:
    if value.value is None or isinstance(value.value, bool):
        return value.value
    return value.text(_MOST_CHARACTERS) if isinstance(value.value, str) else _number(value)


def _outline(value: Value) -> str:
    text = value.text(_MOST_CHARACTERS)
    try:
        read_outline(text)
    except MobileSAMError as error:
        value.refuse(f"an outline ({error})")
    return text
