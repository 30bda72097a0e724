"""Loads an artifact folder as ``convert`` writes it, if it is complete and unaltered.

A manifest is untrusted input, so every value in it is checked. A path in it may not leave the folder, and
every file must have its listed size and SHA-256 before anything is run.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from converters.artifact_layout import (
    COMPONENTS,
    FORMATS,
    MANIFEST_FILE,
    MANIFEST_SCHEMA,
    MAX_PROMPT_SLOTS,
)
from reference.common.artifact_marker import is_artifact
from reference.common.errors import ArtifactError
from reference.common.folders import entries_below, size_of
from reference.common.input_files import require_possible, require_utf8
from reference.common.plain_text import quote
from reference.modeling.variants import VARIANTS, Variant
from validation.documents.strict_json import JsonSource, Value
from validation.documents.untrusted_paths import is_inside

CONVERT_AGAIN = "the artifact is incomplete or was altered; convert again"
_LARGEST_EXPONENT = 24  # 2^-24 is the smallest positive number of float16
_LARGEST_LOGIT = 1 << 20  # far above any real logit
# An artifact has three files for each golden photo, one for each case, and those of its model files.
_MOST_FILES = 10_000


@dataclass(frozen=True)
class SourceCheckpoint:
    """The weights that an artifact was converted from.

    Attributes:
        name: "demo", "official", "seeded", or the name of a file without its folder.
        sha256: SHA-256 of the weights, in hexadecimal digits.
        trained: whether they were trained; masks of untrained weights mean nothing.
    """

    name: str
    sha256: str
    trained: bool


@dataclass(frozen=True)
class Artifact:
    """A verified artifact folder.

    Attributes:
        folder: path of the folder, as the user wrote it.
        variant: the model variant, with its sizes.
        format: one of FORMATS.
        scheme: quantization scheme, as ``convert --quantize`` names it.
        prompt_slots: number of prompt slots of the mask decoder.
        checkpoint: the weights that it was converted from.
        components: path of the model file (for Core ML a folder) of each of COMPONENTS.
        float16_exponents: for each component, the powers of two that its streams are scaled by to fit float16;
            see ``converters.coreml.export.Float16Fit``.
        padding_rgb: color in 0…255 that apps pad the frame with.
        mask_threshold: logit above which apps count a pixel to the object.
        files: paths relative to ``folder``, with forward slashes, of all files but the manifest.
        goldens: path of the list of goldens.
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
        """The name of the folder itself, even if the user wrote its path as ``.`` or through a link."""
        return self.folder.resolve().name

    @property
    def size_bytes(self) -> int:
        """The bytes of both components' files, each counted once: what an app grows by."""
        return sum(map(size_of, set(self.components.values())))

    @property
    def model(self) -> str:
        """The name of the model variant."""
        return self.variant.name

    def record(self) -> dict:
        """The entry "artifact" of the JSON documents; docs/validation.md describes its fields."""
        return {
            "name": self.name,
            "path": str(self.folder),
            "model": self.model,
            "format": self.format,
            "scheme": self.scheme,
            "bytes": self.size_bytes,
            "checkpoint": asdict(self.checkpoint),
        }

    def require_file(self, path: Path) -> Path:
        """Return ``path`` if the manifest lists it, so that it was verified; otherwise raise ArtifactError."""
        inside = path.is_relative_to(self.folder)
        if not inside or path.relative_to(self.folder).as_posix() not in self.files:
            raise ArtifactError(
                f"{quote(str(path))}: not in the list of files of "
                f"{self.folder / MANIFEST_FILE}; {CONVERT_AGAIN}"
            )
        return path


def load_artifact(folder: Artifact | str | Path) -> Artifact:
    """Read an artifact folder, and verify that it is complete and unaltered.

    Example:
        >>> artifact = load_artifact("artifacts/mobile_sam-coreml-int8")
        >>> artifact.format, artifact.scheme, artifact.prompt_slots
        ('coreml', 'int8', 8)

    Args:
        folder: the path of a folder that ``convert`` wrote. An artifact that is loaded already is returned as it is.

    Raises:
        ArtifactError: the folder does not exist; its manifest is missing, damaged or of another
            schema; a file is missing, altered or not listed; or a path leaves the folder.
    """
    if isinstance(folder, Artifact):
        return folder
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
        advice = _artifacts_inside(folder) or f"; {example}"
        raise ArtifactError(f"{folder}: not an artifact: it has no {MANIFEST_FILE}{advice}")
    source = JsonSource(str(path), "an artifact's manifest", CONVERT_AGAIN, ArtifactError)
    return source.document(source.read(path), MANIFEST_SCHEMA)


def _artifacts_inside(folder: Path) -> str:
    """Say, for an error message, which artifacts a folder that is none itself holds; empty without any."""
    try:
        found = sorted(path.name for path in folder.iterdir() if is_artifact(path))
    except OSError:
        return ""
    if not found:
        return ""
    if len(found) == 1:
        return f", but holds the artifact '{found[0]}': pass {folder / found[0]}"
    return f", but holds {len(found)} artifacts: pass one of them, or {folder}/* for all"


def _check_size(size: Value, expected: int, variant: Variant) -> None:
    """Refuse a size of frame or masks that is not the model's size."""
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
    """The path ``name`` below the artifact's folder; ArtifactError if it leads out of the folder."""
    path = folder / name
    # The parts also reveal a '..' that leaves the folder and comes back.
    if not is_inside(path, folder) or Path(name).is_absolute() or ".." in Path(name).parts:
        raise ArtifactError(
            f"{folder / MANIFEST_FILE}: the path {quote(name)} leaves the artifact's folder: expected one "
            "below it; do not use this artifact, convert again"
        )
    return path


def _verify_files(folder: Path, listed: Value) -> frozenset[str]:
    """Check that the folder has the files of the manifest's list and no others; returns their names."""
    records = listed.mapping(lambda record: record, 1, _MOST_FILES)
    # All paths are checked before any file is opened.
    paths = {name: _path_inside(folder, name) for name in records}
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
    """Return all files below ``folder``. A link to a folder counts as a file."""
    return [path for path in entries_below(folder) if path.is_symlink() or not path.is_dir()]
