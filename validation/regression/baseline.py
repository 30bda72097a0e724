"""The file that a project commits: what its artefacts were like when somebody last looked and agreed.

JSON, sorted, one value a line, so that its diff says what changed. It may come from anywhere, and
nothing in it is taken on trust.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import NoReturn, TypeVar

from reference.errors import MobileSAMError
from reference.output_files import replacing
from validation.artifact import Artifact
from validation.regression.errors import BaselineError
from validation.regression.figures import DEVICE_FIGURES, FIGURES
from validation.regression.outlines import read_outline
from validation.regression.record import Entry, Record

SCHEMA = "mobile-sam-export/baseline/1"
_MOST_BYTES = 1 << 24  # of a file; an artefact has 0.02 MB
_LARGEST = 1e18  # of a number: bytes and multiply-adds are far below
_MOST_CHARACTERS = 10_000  # of a text; a mask's is the longest
_QUOTED_LENGTH = 60  # characters of a bad value that an error message repeats
_FIX = "write it with 'validate regress --update'"

Item = TypeVar("Item")
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
    """What an artefact is called in a baseline, wherever its folder is: ``vit_t coreml int8``."""
    return f"{model} {format_name} {scheme}"


def key_of(artifact: Artifact) -> str:
    """``artifact_key`` of an artefact."""
    return artifact_key(artifact.model, artifact.format, artifact.scheme)


def require_record(baseline: Baseline, path: Path, key: str) -> Record:
    """The record of an artefact; BaselineError if there is none."""
    if key not in baseline.artifacts:
        known = ", ".join(f"'{name}'" for name in baseline.artifacts) or "none"
        raise BaselineError(
            f"{path}: has no artefact '{key}': expected a baseline of it, this one has {known}; add it "
            "with 'validate regress --update'"
        )
    return baseline.artifacts[key]


def read_baseline(path: Path) -> Baseline:
    """Read and check a baseline.

    Raises:
        BaselineError: there is none, it cannot be read, is of another schema, or is damaged.
    """
    document = _parse(path)
    schema = document.pop("schema", None) if isinstance(document, dict) else None
    if schema != SCHEMA:
        raise BaselineError(
            f"{path}: 'schema' is {_quote(schema)}: expected '{SCHEMA}'; name a file that 'validate "
            "regress --update' wrote"
        )
    value = _Value(path, "", document)
    sections = value.object({"artifacts", "devices"})
    return Baseline(
        sections["artifacts"].mapping(_record),
        sections["devices"].mapping(
            lambda device: device.mapping(lambda record: record.figures(DEVICE_FIGURES))
        ),
    )


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Write a baseline; OutputError if that cannot be."""
    document = {"schema": SCHEMA, **asdict(baseline)}
    text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    with replacing(path) as draft:
        draft.write_text(f"{text}\n", encoding="utf-8")


def _parse(path: Path) -> object:
    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is no number in JSON")

    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise ValueError(f"more than {_MOST_BYTES >> 20} MiB")
        return json.loads(data, parse_constant=refuse)
    except FileNotFoundError:
        raise BaselineError(
            f"{path}: no such file: expected a baseline; {_FIX}, and commit it"
        ) from None
    except OSError as error:
        raise BaselineError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (ValueError, RecursionError) as error:
        raise BaselineError(f"{path}: is not valid JSON ({error}); {_FIX}") from None


@dataclass(frozen=True)
class _Value:
    """A value of the document, and its place in it."""

    path: Path
    place: str
    value: object

    def refuse(self, expected: str) -> NoReturn:
        where = f"'{_shorten(self.place)}'" if self.place else "the document"
        raise BaselineError(
            f"{self.path}: {where} is {_quote(self.value)}: expected {expected}; {_FIX}"
        )

    def mapping(self, read: Callable[["_Value"], Item]) -> dict[str, Item]:
        if not isinstance(self.value, dict):
            self.refuse("an object")
        for key in self.value:
            _Value(self.path, f"{self.place} key", key).text()
        return {
            key: read(_Value(self.path, f"{self.place}.{key}".lstrip("."), item))
            for key, item in self.value.items()
        }

    def object(self, names: set[str]) -> "dict[str, _Value]":
        members = self.mapping(lambda value: value)
        if members.keys() != names:
            self.refuse(f"exactly {', '.join(sorted(names))}")
        return members

    def figures(self, known: Mapping[str, object]) -> dict[str, float]:
        numbers = self.mapping(_Value.number)
        if unknown := [name for name in numbers if name not in known]:
            _Value(self.path, f"{self.place} key", unknown[0]).refuse(f"one of {', '.join(known)}")
        return numbers

    def number(self) -> float:
        value = self.value
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not abs(value) <= _LARGEST:  # which NaN is not
            self.refuse(f"a number of at most {_LARGEST:g}")
        return value

    def text(self) -> str:
        """What a terminal shows as it is."""
        value = self.value
        if not isinstance(value, str) or not value.isprintable() or len(value) > _MOST_CHARACTERS:
            self.refuse("a line of text")
        return value

    def texts(self) -> tuple[str, ...]:
        if not isinstance(self.value, list):
            self.refuse("a list")
        return tuple(_Value(self.path, self.place, item).text() for item in self.value)

    def entry(self) -> Entry:
        if self.value is None or isinstance(self.value, bool):
            return self.value
        return self.text() if isinstance(self.value, str) else self.number()

    def outline(self) -> str:
        try:
            read_outline(self.text())
        except MobileSAMError as error:
            raise BaselineError(f"{self.path}: '{_shorten(self.place)}': {error}; {_FIX}") from None
        return self.value


def _record(value: _Value) -> Record:
    members = value.object({item.name for item in fields(Record)})
    return Record(
        manifest=members["manifest"].mapping(_Value.entry),
        operators=members["operators"].mapping(_Value.texts),
        figures=members["figures"].figures(FIGURES),
        masks=members["masks"].mapping(_Value.outline),
        engine=members["engine"].text(),
        calibration=members["calibration"].text(),
        machine=members["machine"].text(),
        files=members["files"].mapping(_Value.text),
        tools=members["tools"].mapping(_Value.text),
    )


def _quote(value: object) -> str:
    """A bad value for an error message: in one line, and not a long one."""
    return _shorten(repr(value))


def _shorten(text: str) -> str:
    text = text if len(text) <= _QUOTED_LENGTH else f"{text[: _QUOTED_LENGTH - 1]}…"
    return text if text.isprintable() else repr(text)
