"""An artifact folder as ``convert`` writes it: loaded only if it is whole and unaltered.

Nothing in a manifest is taken on trust: a path in it may not leave the folder, and every file is
held to its listed size and SHA-256 before anything is run.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from converters.artifact_layout import (
    COMPONENTS,
    FORMATS,
    MANIFEST_FILE,
    MANIFEST_SCHEMA,
    MAX_PROMPT_SLOTS,
)
from reference.common.errors import ArtifactError
from reference.common.folders import entries_below
from reference.common.input_files import require_possible, require_utf8
from reference.common.plain_text import quote
from reference.modeling.variants import VARIANTS, Variant
from validation.documents.strict_json import Source, Value
from validation.documents.untrusted_paths import is_inside

CONVERT_AGAIN = "the artifact is incomplete or was altered; convert again"
_LARGEST_EXPONENT = 24  # of a power of two between numbers of float16
_LARGEST_LOGIT = 1 << 20  # logits are far below
_MOST_FILES = 10_000  # three for each golden photo, one for each case, and a package's


@dataclass(frozen=True)
class SourceCheckpoint:
    """The weights that an artifact was converted from."""

    name: str  # "demo", "official", "seeded", or a file's name without its folder
    sha256: str
    trained: bool  # False: the masks mean nothing


@dataclass(frozen=True)
class Artifact:
    """A verified artifact folder.

    Attributes:
        folder: where it is, as the user wrote it.
        variant: the model and its sizes.
        format: one of FORMATS.
        scheme: how it is quantized, as ``convert --quantize`` names it.
        prompt_slots: how many prompt slots the mask decoder has.
        checkpoint: what it was converted from.
        components: the model file (a folder, for Core ML) of each of COMPONENTS.
        float16_exponents: per component, the powers of two that its streams are scaled by to fit float16;
            see ``converters.coreml.export.Float16Fit``.
        padding_rgb: color in 0…255 that apps pad the frame with.
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
    float16_exponents: Mapping[str, Mapping[str, int]]
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
        inside = path.is_relative_to(self.folder)
        if not inside or path.relative_to(self.folder).as_posix() not in self.files:
            raise ArtifactError(
                f"{quote(str(path))}: not in the list of files of "
                f"{self.folder / MANIFEST_FILE}; {CONVERT_AGAIN}"
            )
        return path


def load_artifact(folder: str | Path) -> Artifact:
    """Read and verify an artifact folder.

    Raises:
        ArtifactError: there is no such folder; its manifest is missing, damaged or of another
            schema; a file is missing, altered or not listed; or a path leaves the folder.
    """
    folder = Path(folder)
    manifest = _read_manifest(folder)
    variant = VARIANTS[manifest.get("model").choice(tuple(VARIANTS))]
    preprocessing, masks = manifest.get("preprocessing"), manifest.get("masks")
    _check_size(preprocessing.get("frame_size"), variant.image_size, variant)
    _check_size(masks.get("low_res_size"), variant.mask_size, variant)
    files = _verify_files(folder, manifest.get("files"))
    checkpoint, components = manifest.get("checkpoint"), manifest.get("components")
    return Artifact(
        folder=folder,
        variant=variant,
        format=manifest.get("format").choice(FORMATS),
        scheme=manifest.get("scheme").text(),
        prompt_slots=manifest.get("prompt_slots").integer(1, MAX_PROMPT_SLOTS),
        checkpoint=SourceCheckpoint(
            name=checkpoint.get("name").text(),
            sha256=checkpoint.get("sha256").text(),
            trained=checkpoint.get("trained").truth(),
        ),
        components={
            name: _component(folder, components.get(name).get("file"), files) for name in COMPONENTS
        },
        float16_exponents={name: _exponents(components.get(name)) for name in COMPONENTS},
        padding_rgb=_color(preprocessing.get("padding_rgb")),
        mask_threshold=masks.get("threshold").number(-_LARGEST_LOGIT, _LARGEST_LOGIT),
        files=files,
        goldens=_listed(folder, manifest.get("goldens"), files),
    )


def read_manifest(artifact: Artifact) -> dict:
    """The whole manifest of a verified artifact; ArtifactError if it can no longer be read."""
    return {"schema": MANIFEST_SCHEMA, **_read_manifest(artifact.folder).value}


def _read_manifest(folder: Path) -> Value:
    path = folder / MANIFEST_FILE
    example = "expected one that 'convert' wrote, such as artifacts/mobile_sam-torchscript-none"
    require_possible(path, ArtifactError)
    require_utf8(folder, ArtifactError)
    if not folder.is_dir():
        kind = "not a folder" if folder.exists() else "no such artifact folder"
        raise ArtifactError(f"{folder}: {kind}; {example}")
    if not path.exists():
        raise ArtifactError(f"{folder}: has no {MANIFEST_FILE}; {example}")
    source = Source(str(path), "an artifact's manifest", CONVERT_AGAIN, ArtifactError)
    return source.document(source.read(path), MANIFEST_SCHEMA)


def _check_size(size: Value, expected: int, variant: Variant) -> None:
    """Refuse a frame or masks of another size than the model's."""
    if size.value != expected:
        size.refuse(f"{expected} for {variant.name}")


def _color(value: Value) -> tuple[float, float, float]:
    color = value.list(lambda channel: channel.number(0, 255))
    if len(color) != 3:
        value.refuse("red, green and blue")
    return color


def _component(folder: Path, file: Value, files: Collection[str]) -> Path:
    """The model file of a component: a listed file, or a folder of listed files."""
    name = file.text()
    if name not in files and not any(listed.startswith(f"{name}/") for listed in files):
        file.refuse("a file of the list 'files'")
    return _path_inside(folder, name)


def _exponents(component: Value) -> dict[str, int]:
    if "float16" not in component.value:
        return {}
    exponents = component.get("float16").get("exponents")
    return exponents.mapping(lambda exponent: exponent.integer(-_LARGEST_EXPONENT, 0))


def _listed(folder: Path, file: Value, files: Collection[str]) -> Path:
    if file.text() not in files:
        file.refuse("a file of the list 'files'")
    return _path_inside(folder, file.text())


def _path_inside(folder: Path, name: str) -> Path:
    """``name`` below the artifact's folder, or an ArtifactError if it leads out of it."""
    path = folder / name
    # The parts tell of a '..' that comes back in.
    if not is_inside(path, folder) or Path(name).is_absolute() or ".." in Path(name).parts:
        raise ArtifactError(
            f"{folder / MANIFEST_FILE}: the path {quote(name)} leaves the artifact's folder: expected one "
            "below it; do not use this artifact, convert again"
        )
    return path


def _verify_files(folder: Path, listed: Value) -> frozenset[str]:
    """Hold the folder's files to the manifest's list, both ways; the names in it."""
    records = listed.mapping(lambda record: record, 1, _MOST_FILES)
    paths = {name: _path_inside(folder, name) for name in records}  # all, before any is opened
    for name, path in paths.items():
        _verify_file(path, records[name])
    for path in _files_below(folder):
        name = path.relative_to(folder).as_posix()
        if name != MANIFEST_FILE and name not in records:
            raise ArtifactError(
                f"{path}: is not in {MANIFEST_FILE}: expected its files and no others; remove it, "
                "or convert again"
            )
    return frozenset(records)


def _verify_file(path: Path, record: Value) -> None:
    expected = record.object(("bytes", "sha256"))
    try:
        if not path.is_file():
            raise ArtifactError(f"{path}: is missing: expected by {MANIFEST_FILE}; {CONVERT_AGAIN}")
        size = path.stat().st_size
        if size != expected["bytes"].value:
            raise ArtifactError(
                f"{path}: has {size} bytes: expected {quote(expected['bytes'].value)}; {CONVERT_AGAIN}"
            )
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ArtifactError(f"{path}: cannot be read ({error.strerror or error})") from None
    if sha256 != expected["sha256"].value:
        raise ArtifactError(
            f"{path}: its SHA-256 is {sha256}: expected {quote(expected['sha256'].value)}; "
            f"{CONVERT_AGAIN}"
        )


def _files_below(folder: Path) -> list[Path]:
    """Everything below ``folder`` but folders; a link to a folder counts as a file."""
    return [path for path in entries_below(folder) if path.is_symlink() or not path.is_dir()]
