"""Reads Core ML packages from disk: the model's specification, and the weight files that it refers to.

Nothing in a package is trusted: a path that leaves the package is refused, and so is malformed data.
"""

from dataclasses import dataclass
from pathlib import Path

from coremltools.models import MLModel
from coremltools.proto import Model_pb2
from google.protobuf.message import DecodeError

from reference.common.input_files import require_possible
from validation.documents.strict_json import JsonSource
from validation.mil_runtime.errors import ModelError
from validation.mil_runtime.model.blob_storage import BlobFile

_MODEL_PATH = "@model_path/"
# The newest specification version that this runtime knows, which is that of iOS 26.
NEWEST_SPECIFICATION = 10
# A proto cannot be larger than 2 GiB, and a manifest is a page of text.
_MAX_MODEL_BYTES = 1 << 31
_MAX_MANIFEST_BYTES = 1 << 20
_CONVERT_AGAIN = "the package is incomplete or damaged: copy or convert it again"


class WeightFiles:
    """The weight files of a model. A file is opened when a constant first needs it."""

    def __init__(self, folder: Path | None) -> None:
        """Read files from ``folder``, which ``@model_path`` stands for; None if the model has no files."""
        self._folder = None if folder is None else folder.resolve()
        self._open: dict[str, BlobFile] = {}

    def open(self, name: str) -> BlobFile:
        """Open the weight file that a program calls ``name``.

        Raises:
            ModelError: the file is outside the package, or is not a weight file.
        """
        if name not in self._open:
            self._open[name] = BlobFile(self._path_of(name))
        return self._open[name]

    def _path_of(self, name: str) -> Path:
        if self._folder is None:
            raise ModelError(
                f"the weight file '{name}' is needed, but the model has no files; load the package by its path"
            )
        if not name.startswith(_MODEL_PATH) or "\0" in name:
            raise ModelError(
                f"the weight file '{name}' is outside the package: expected a path that starts "
                f"with {_MODEL_PATH}"
            )
        return _inside(self._folder, name.removeprefix(_MODEL_PATH), f"the weight file '{name}'")


@dataclass(frozen=True)
class Package:
    """A model's specification and weight files, and its name in messages."""

    name: str
    specification: Model_pb2.Model
    weights: WeightFiles

    @property
    def stages(self) -> "tuple[Package, ...] | None":
        """The models of a pipeline, in order; None if the model is not a pipeline."""
        pipeline = _pipeline_of(self.specification)
        if pipeline is None:
            return None
        return tuple(
            Package(f"{self.name}, stage {number} of the pipeline", model, self.weights)
            for number, model in enumerate(pipeline.models, 1)
        )


def open_package(source: "str | Path | MLModel") -> Package:
    """Open an ML Program, or a pipeline of them, from its folder or from a coremltools model in memory.

    Raises:
        ModelError: the model is missing, incomplete, damaged or of another kind, or its specification
            is newer than ``NEWEST_SPECIFICATION``.
    """
    if isinstance(source, MLModel):
        weights_dir = source.weights_dir
        folder = None if weights_dir is None else Path(weights_dir).parent
        package = Package("the model", source.get_spec(), WeightFiles(folder))
    else:
        package = _read_package(Path(source))
    _require_ml_programs(package)
    return package


def open_program(source: "str | Path | MLModel") -> Package:
    """Open a single ML Program, as ``open_package`` does.

    Raises:
        ModelError: for the reasons that ``open_package`` lists, and for a pipeline.
    """
    package = open_package(source)
    if package.stages is not None:
        raise ModelError(f"{package.name}: is a pipeline, expected one ML Program")
    return package


def _read_package(path: Path) -> Package:
    if path.suffix == ".mlmodelc":
        raise ModelError(
            f"{path}: is compiled for a device; expected the .mlpackage that it was compiled from"
        )
    require_possible(path, ModelError)
    if not path.exists():
        raise ModelError(f"{path}: is missing; expected an .mlpackage folder")
    model_file = _root_model(path) if path.is_dir() else path
    data = _read(model_file, _MAX_MODEL_BYTES)
    specification = Model_pb2.Model()
    try:
        specification.ParseFromString(data)
    except DecodeError as error:
        raise ModelError(
            f"{model_file}: is not a Core ML model ({error}); {_CONVERT_AGAIN}"
        ) from error
    return Package(str(path), specification, WeightFiles(model_file.parent))


def _root_model(package: Path) -> Path:
    """Return the model file that the package's own manifest names as its root."""
    manifest_file = package / "Manifest.json"
    source = JsonSource(str(manifest_file), "a package's manifest", _CONVERT_AGAIN, ModelError)
    manifest = source.parse(_read(manifest_file, _MAX_MANIFEST_BYTES))
    try:
        item = manifest["itemInfoEntries"][manifest["rootModelIdentifier"]]["path"]
    except (KeyError, TypeError, IndexError) as error:
        raise ModelError(f"{manifest_file}: names no root model; {_CONVERT_AGAIN}") from error
    if not isinstance(item, str) or "\0" in item:
        raise ModelError(f"{manifest_file}: names no root model; {_CONVERT_AGAIN}")
    data = _inside(package.resolve(), "Data", f"{package}: its Data")
    return _inside(data, item, f"{manifest_file}: the model '{item}'")


def _read(path: Path, limit: int) -> bytes:
    """Read the bytes of a file.

    Raises:
        ModelError: ``path`` is not a file, cannot be read, or has more than ``limit`` bytes.
    """
    try:
        if not path.is_file():  # reading a pipe would never end
            raise ModelError(f"{path}: is missing, or is not a file; {_CONVERT_AGAIN}")
        if path.stat().st_size > limit:
            raise ModelError(f"{path}: has more than {limit} bytes; {_CONVERT_AGAIN}")
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read ({error}); {_CONVERT_AGAIN}") from error


def _inside(folder: Path, relative: str, what: str) -> Path:
    """Return ``folder/relative``, resolved.

    Raises:
        ModelError: the path is not inside ``folder``.
    """
    try:
        path = (folder / relative).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        # A loop of links raises RuntimeError. An impossible file name raises ValueError.
        raise ModelError(f"{what} cannot be resolved ({error}); {_CONVERT_AGAIN}") from error
    if not path.is_relative_to(folder):
        raise ModelError(f"{what} leaves the package: expected a path inside it")
    return path


def _pipeline_of(specification: Model_pb2.Model) -> Model_pb2.Pipeline | None:
    kind = specification.WhichOneof("Type")
    if kind == "pipeline":
        return specification.pipeline
    if kind in ("pipelineClassifier", "pipelineRegressor"):
        return getattr(specification, kind).pipeline
    return None


def _require_ml_programs(package: Package, in_pipeline: bool = False) -> None:
    """Refuse models that are neither an ML Program nor a pipeline of only ML Programs."""
    specification = package.specification
    kind = specification.WhichOneof("Type")
    if kind is None:
        raise ModelError(f"{package.name}: holds no model; {_CONVERT_AGAIN}")
    if specification.specificationVersion > NEWEST_SPECIFICATION:
        raise ModelError(
            f"{package.name}: is of specification version {specification.specificationVersion}, "
            f"expected at most {NEWEST_SPECIFICATION} (iOS 26); convert it again for iOS 26 or "
            "earlier"
        )
    if package.stages is not None:
        for stage in package.stages:
            _require_ml_programs(stage, in_pipeline=True)
    elif kind != "mlProgram":
        raise ModelError(
            f"{package.name}: is a {kind}, expected an ML Program; {_remedy(kind, in_pipeline)}"
        )


def _remedy(kind: str, in_pipeline: bool) -> str:
    """Return the advice for a model that is not an ML Program."""
    if kind.startswith("neuralNetwork"):
        again = ", and make the pipeline again" if in_pipeline else ""
        return f'convert it again with convert_to="mlprogram"{again}'
    if in_pipeline:
        return (
            "run the pipeline's ML Programs one by one, as docs/mil_runtime.md shows, or run the "
            "pipeline on a Mac"
        )
    return "models of this kind run on a Mac only"
