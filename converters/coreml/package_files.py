"""Writing a converted model as a package (.mlpackage) whose files are the same in every run."""

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import coremltools as ct

from converters.coreml.coremltools_session import coremltools_session
from converters.io_spec import ModuleSpec
from reference.common.folders import files_below


@dataclass(frozen=True)
class PackageMetadata:
    """The metadata of a package that Xcode shows."""

    author: str
    license: str
    version: str
    entries: Mapping[str, str]


def save_package(
    model: ct.models.MLModel, spec: ModuleSpec, metadata: PackageMetadata, path: Path
) -> None:
    """Describe a converted model, and write it to ``path``, a new folder.

    Raises:
        OutputError: the temporary folder is full.
    """
    with coremltools_session():
        _describe(model, spec, metadata)
        model.save(str(path))
    _make_reproducible(path)


def _describe(model: ct.models.MLModel, spec: ModuleSpec, metadata: PackageMetadata) -> None:
    model.author = metadata.author
    model.license = metadata.license
    model.version = metadata.version
    model.short_description = spec.summary
    for tensor in spec.inputs:
        model.input_description[tensor.name] = f"{tensor.meaning} Range: {tensor.range}."
    for tensor in spec.outputs:
        model.output_description[tensor.name] = f"{tensor.meaning} Range: {tensor.range}."
    # With the date of conversion, no two packages would be equal.
    model.user_defined_metadata.pop("com.github.apple.coremltools.conversion_date", None)
    for key, value in metadata.entries.items():
        model.user_defined_metadata[key] = value


def _make_reproducible(package: Path) -> None:
    """Replace the random parts of a package, so that equal models are equal files.

    coremltools names the items in the manifest of a package by random UUIDs. Here each UUID is derived from the path of
    the item. Maps in the specification are written in the order of their keys.
    """
    specification = next(file for file in files_below(package) if file.suffix == ".mlmodel")
    model = ct.utils.load_spec(str(specification))
    specification.write_bytes(model.SerializeToString(deterministic=True))

    manifest_path = package / "Manifest.json"
    manifest = json.loads(manifest_path.read_text())
    names = {
        key: str(uuid.uuid5(uuid.NAMESPACE_URL, f"mobile-sam-export/{item['path']}")).upper()
        for key, item in manifest["itemInfoEntries"].items()
    }
    manifest["itemInfoEntries"] = {
        names[key]: item for key, item in manifest["itemInfoEntries"].items()
    }
    manifest["rootModelIdentifier"] = names[manifest["rootModelIdentifier"]]
    manifest_path.write_text(json.dumps(manifest, indent=4, sort_keys=True) + "\n")
