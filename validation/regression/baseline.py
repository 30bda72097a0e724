"""The file that a project commits: what its artifacts were like when somebody last looked and agreed.

JSON, sorted, one value a line, so that its diff says what changed. It may come from anywhere, and
nothing in it is taken on trust.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from reference.common.errors import MobileSAMError
from reference.common.output_files import replacing
from validation.artifacts.artifact import Artifact
from validation.documents.strict_json import Source, Value
from validation.regression.errors import BaselineError
from validation.regression.figures import DEVICE_FIGURES, FIGURES
from validation.regression.outlines import read_outline
from validation.regression.record import LARGEST, Entry, Record

SCHEMA = "mobile-sam-export/baseline/1"
_MOST_CHARACTERS = 10_000  # of a text; a mask's is the longest
_FIX = "write it with 'validate regress --update', and commit it"

Devices = Mapping[str, Mapping[str, Mapping[str, float]]]


@dataclass(frozen=True)
class Baseline:
    """A file's contents.

    Attributes:
        artifacts: by ``artifact_key``.
        devices: device in words → ``artifact_key`` → name in DEVICE_FIGURES → number.
    """

    artifacts: Mapping[str, Record] = field(default_factory=dict)
    devices: Devices = field(default_factory=dict)


def artifact_key(model: str, format_name: str, scheme: str) -> str:
    """What an artifact is called in a baseline, wherever its folder is: ``vit_t coreml int8``."""
    return f"{model} {format_name} {scheme}"


def key_of(artifact: Artifact) -> str:
    """``artifact_key`` of an artifact."""
    return artifact_key(artifact.model, artifact.format, artifact.scheme)


def require_record(baseline: Baseline, path: Path, key: str) -> Record:
    """The record of an artifact; BaselineError if there is none."""
    if key not in baseline.artifacts:
        known = ", ".join(f"'{name}'" for name in baseline.artifacts) or "none"
        raise BaselineError(
            f"{path}: has no artifact '{key}': expected a baseline of it, this one has {known}; add it "
            "with 'validate regress --update'"
        )
    return baseline.artifacts[key]


def read_baseline(path: Path) -> Baseline:
    """Read and check a baseline.

    Raises:
        BaselineError: there is none, it cannot be read, is of another schema, or is damaged.
    """
    source = Source(str(path), "a baseline", _FIX, BaselineError)
    sections = source.document(source.read(path), SCHEMA).object(("artifacts", "devices"))
    return Baseline(
        sections["artifacts"].mapping(_record),
        sections["devices"].mapping(
            lambda device: device.mapping(lambda record: _figures(record, DEVICE_FIGURES))
        ),
    )


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Write a baseline; OutputError if that cannot be."""
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
    """As it is written: sizes are integers."""
    value.number(-LARGEST, LARGEST)
    return value.value


def _text_if_any(value: Value) -> str:
    """What was not measured is empty."""
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
