"""An artefact folder as ``convert`` writes it: loaded only if it is whole and unaltered.

Nothing in a manifest is taken on trust: a path in it may not leave the folder, and every file is
held to its listed size and SHA-256 before anything is run.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from converters.artifact_layout import COMPONENTS, FORMATS, MANIFEST_FILE, MANIFEST_SCHEMA
from reference.errors import ArtifactError
from reference.variants import VARIANTS, Variant

# What file managers leave behind in folders that somebody looked at.
_IGNORED_NAMES = (".DS_Store",)
_CONVERT_AGAIN = "the artefact is incomplete or was altered; convert again"
_HASH_CHUNK = 1 << 20  # bytes read at a time
_KINDS = {
    bool: "true or false",
    dict: "an object",
    int: "an integer",
    list: "a list",
    str: "a string",
}
_QUOTED_LENGTH = 80  # characters of a bad value that an error message repeats


@dataclass(frozen=True)
class SourceCheckpoint:
    """The weights that an artefact was converted from."""

    name: str  # "demo", "official", "seeded", or a file's name without its folder
    sha256: str
    trained: bool  # False: the masks mean nothing


@dataclass(frozen=True)
class Artifact:
    """A verified artefact folder.

    Attributes:
        folder: where it is, as the user wrote it.
        variant: the model and its sizes.
        format: one of FORMATS.
        scheme: how it is quantised, as ``convert --quantize`` names it.
        prompt_slots: how many prompt slots the mask decoder has.
        checkpoint: what it was converted from.
        components: the model file (a folder, for Core ML) of each of COMPONENTS.
        padding_rgb: colour in 0…255 that apps pad the frame with.
        mask_threshold: logit above which apps count a pixel as the object's.
        files: paths below ``folder``, with forward slashes, of all files but the manifest.
        goldens: the list of goldens, below ``folder``.
    """

    folder: Path
    variant: Variant
    format: str
    scheme: str
    prompt_slots: int
    checkpoint: SourceCheckpoint
    components: Mapping[str, Path]
    padding_rgb: tuple[float, float, float]
    mask_threshold: float
    files: frozenset[str]
    goldens: Path

    @property
    def name(self) -> str:
        """The folder's own name, whatever way it was written."""
        return self.folder.resolve().name

    @property
    def model(self) -> str:
        """The variant's name."""
        return self.variant.name

    def require_file(self, path: Path) -> Path:
        """``path`` if it is a file that the manifest lists, and so verified; else ArtifactError."""
        listed = {self.folder / name for name in self.files}
        if path not in listed:
            raise ArtifactError(
                f"{str(path)[:_QUOTED_LENGTH]!r}: not in the list of files of "
                f"{self.folder / MANIFEST_FILE}; {_CONVERT_AGAIN}"
            )
        return path


def load_artifact(folder: str | Path) -> Artifact:
    """Read and verify an artefact folder.

    Raises:
        ArtifactError: there is no such folder; its manifest is missing, damaged or of another
            schema; a file is missing, altered or not listed; or a path leaves the folder.
    """
    folder = Path(folder)
    manifest = _read_manifest(folder)
    variant = VARIANTS[manifest.choice("model", tuple(VARIANTS))]
    _check_sizes(manifest, variant)
    sizes_and_hashes = manifest.get("files", dict)
    _verify_files(manifest, sizes_and_hashes)
    return Artifact(
        folder=folder,
        variant=variant,
        format=manifest.choice("format", FORMATS),
        scheme=manifest.get("scheme", str),
        prompt_slots=manifest.positive("prompt_slots"),
        checkpoint=SourceCheckpoint(
            name=manifest.get("checkpoint.name", str),
            sha256=manifest.get("checkpoint.sha256", str),
            trained=manifest.get("checkpoint.trained", bool),
        ),
        components={name: _component(manifest, name, sizes_and_hashes) for name in COMPONENTS},
        padding_rgb=_colour(manifest, "preprocessing.padding_rgb"),
        mask_threshold=manifest.number("masks.threshold"),
        files=frozenset(sizes_and_hashes),
        goldens=_listed(manifest, "goldens", sizes_and_hashes),
    )


@dataclass(frozen=True)
class _Manifest:
    """A manifest's document, and how to ask it for an entry of a known kind."""

    path: Path
    document: dict

    @property
    def folder(self) -> Path:
        return self.path.parent

    def get(self, name: str, kind: type) -> object:
        """The entry at ``name``, with dots between levels, if it is of ``kind``."""
        value = self._find(name)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            self.refuse(name, value, _KINDS[kind])
        return value

    def _find(self, name: str) -> object:
        value: object = self.document
        for key in name.split("."):
            value = value.get(key) if isinstance(value, dict) else None
        return value

    def choice(self, name: str, known: tuple[str, ...]) -> str:
        value = self._find(name)
        if not isinstance(value, str) or value not in known:
            self.refuse(name, value, " or ".join(known))
        return value

    def number(self, name: str) -> float:
        value = self._find(name)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            self.refuse(name, value, "a finite number")
        return float(value)

    def positive(self, name: str) -> int:
        value = self.get(name, int)
        if value < 1:
            self.refuse(name, value, "at least 1")
        return value

    def refuse(self, name: str, value: object, expected: str) -> NoReturn:
        raise ArtifactError(
            f"{self.path}: '{name}' is {_quote(value)}: expected {expected}; convert again"
        )


def _read_manifest(folder: Path) -> _Manifest:
    path = folder / MANIFEST_FILE
    example = "expected one that 'convert' wrote, such as artifacts/mobile_sam-torchscript-none"
    if not folder.is_dir():
        kind = "not a folder" if folder.exists() else "no such artefact folder"
        raise ArtifactError(f"{folder}: {kind}; {example}")
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise ArtifactError(f"{folder}: has no {MANIFEST_FILE}; {example}") from None
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (ValueError, RecursionError) as error:
        raise ArtifactError(f"{path}: is not valid JSON ({error}); {_CONVERT_AGAIN}") from None
    manifest = _Manifest(path, document if isinstance(document, dict) else {})
    manifest.choice("schema", (MANIFEST_SCHEMA,))
    return manifest


def _check_sizes(manifest: _Manifest, variant: Variant) -> None:
    """Refuse a frame or masks of another size than the model's."""
    for name, expected in (
        ("preprocessing.frame_size", variant.image_size),
        ("masks.low_res_size", variant.mask_size),
    ):
        if manifest.get(name, int) != expected:
            manifest.refuse(name, manifest.get(name, int), f"{expected} for {variant.name}")


def _colour(manifest: _Manifest, name: str) -> tuple[float, float, float]:
    values = manifest.get(name, list)
    in_range = all(isinstance(value, (int, float)) and 0 <= value <= 255 for value in values)
    if len(values) != 3 or not in_range:  # NaN is in no range
        manifest.refuse(name, values, "three numbers in 0…255")
    return tuple(float(value) for value in values)


def _component(manifest: _Manifest, name: str, files: Mapping[str, object]) -> Path:
    """The model file of a component: a listed file, or a folder of listed files."""
    entry = f"components.{name}.file"
    file = manifest.get(entry, str)
    if file not in files and not any(listed.startswith(f"{file}/") for listed in files):
        manifest.refuse(entry, file, "a file of the list 'files'")
    return _path_inside(manifest, file)


def _listed(manifest: _Manifest, name: str, files: Mapping[str, object]) -> Path:
    file = manifest.get(name, str)
    if file not in files:
        manifest.refuse(name, file, "a file of the list 'files'")
    return _path_inside(manifest, file)


def _path_inside(manifest: _Manifest, name: str) -> Path:
    """``name`` below the artefact's folder, or an ArtifactError if it leads out of it."""
    path = manifest.folder / name
    try:
        # Resolving also follows symbolic links; the parts tell of a '..' that comes back in.
        inside = path.resolve().is_relative_to(manifest.folder.resolve())
    except (OSError, ValueError, RuntimeError):  # a null character, or links that form a loop
        inside = False
    if not inside or Path(name).is_absolute() or ".." in Path(name).parts:
        raise ArtifactError(
            f"{manifest.path}: the path {_quote(name)} leaves the artefact's folder: expected one "
            "below it; do not use this artefact, convert again"
        )
    return path


def _verify_files(manifest: _Manifest, files: Mapping[str, object]) -> None:
    """Hold the folder's files to the manifest's list, both ways."""
    paths = {name: _path_inside(manifest, name) for name in files}  # all, before any is opened
    for name, path in paths.items():
        record = files[name]
        if not isinstance(record, dict) or not {"bytes", "sha256"} <= record.keys():
            manifest.refuse(f"files.{name}", record, "its 'bytes' and 'sha256'")
        _verify_file(path, record)
    for path in _files_below(manifest.folder):
        name = path.relative_to(manifest.folder).as_posix()
        if name != MANIFEST_FILE and name not in files:
            raise ArtifactError(
                f"{path}: is not in {MANIFEST_FILE}: expected its files and no others; remove it, "
                "or convert again"
            )


def _verify_file(path: Path, record: dict) -> None:
    if not path.is_file():
        raise ArtifactError(f"{path}: is missing: expected by {MANIFEST_FILE}; {_CONVERT_AGAIN}")
    try:
        size = path.stat().st_size
        if size != record["bytes"]:
            raise ArtifactError(
                f"{path}: has {size} bytes: expected {_quote(record['bytes'])}; {_CONVERT_AGAIN}"
            )
        sha256 = _sha256(path)
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read ({error.strerror or error})") from None
    if sha256 != record["sha256"]:
        raise ArtifactError(
            f"{path}: its SHA-256 is {sha256}: expected {_quote(record['sha256'])}; "
            f"{_CONVERT_AGAIN}"
        )


def _files_below(folder: Path) -> list[Path]:
    """Everything below ``folder`` but folders; a link to a folder counts as a file."""
    return sorted(
        path
        for path in folder.rglob("*")
        if (path.is_symlink() or not path.is_dir()) and path.name not in _IGNORED_NAMES
    )


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_HASH_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _quote(value: object) -> str:
    """A bad value for an error message: in one line, and not a long one."""
    text = repr(value)
    return text if len(text) <= _QUOTED_LENGTH else f"{text[: _QUOTED_LENGTH - 1]}…"
