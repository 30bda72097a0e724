"""Exported module → Core ML package (.mlpackage), on any OS."""

import contextlib
import functools
import json
import math
import tempfile
import uuid
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import coremltools as ct
import torch
from coremltools.converters.mil.mil import Operation, Var
from torch import Tensor, nn
from tqdm import tqdm

from converters.coreml_schemes import (
    LARGE_WEIGHT,
    SCHEMES,
    WEIGHTED_OPS,
    Scheme,
    quantize_activations,
)
from converters.float16_range import require_float16_range
from converters.io_spec import ModuleSpec, TensorSpec
from converters.mil_passes import pass_pipeline
from reference.errors import ConversionError, OutputError
from reference.folders import files_below

DEPLOYMENT_TARGETS = {
    "iOS16": ct.target.iOS16,
    "iOS17": ct.target.iOS17,
    "iOS18": ct.target.iOS18,
}
IMAGE_INPUT = "image"
COORDINATES_INPUT = "point_coords"


@dataclass(frozen=True)
class CoreMLOptions:
    """How to convert.

    ``deployment_target`` None: the lowest that holds the scheme. Raises ConversionError for an unknown scheme or
    target, and for a target that cannot hold the scheme.
    """

    scheme: str = "fp16"
    deployment_target: str | None = None

    def __post_init__(self) -> None:
        if self.scheme not in SCHEMES:
            raise ConversionError(
                f"unknown Core ML scheme '{self.scheme}': expected one of {', '.join(SCHEMES)}"
            )
        if self.deployment_target is None:
            return
        targets = list(DEPLOYMENT_TARGETS)
        if self.deployment_target not in targets:
            raise ConversionError(
                f"unknown deployment target '{self.deployment_target}': expected one of "
                f"{', '.join(targets)}"
            )
        lowest = SCHEMES[self.scheme].minimum_target
        if targets.index(self.deployment_target) < targets.index(lowest):
            raise ConversionError(
                f"{self.deployment_target} cannot hold scheme '{self.scheme}': the lowest target that can is "
                f"{lowest}"
            )

    @property
    def target(self) -> str:
        """The deployment target that is converted for."""
        return self.deployment_target or SCHEMES[self.scheme].minimum_target


@dataclass(frozen=True)
class PackageMetadata:
    """What a package says of itself in Xcode."""

    author: str
    license: str
    version: str
    entries: Mapping[str, str]


@dataclass(frozen=True)
class CoreMLPackage:
    """A package that was written, and the MIL operators in it."""

    path: Path
    operators: tuple[str, ...]


def export_coreml(
    module: nn.Module,
    spec: ModuleSpec,
    options: CoreMLOptions,
    metadata: PackageMetadata,
    path: Path,
    inputs: Sequence[tuple[Tensor, ...]],
) -> CoreMLPackage:
    """Convert ``module`` and write it to ``path``, a new folder.

    Args:
        module: from ``converters.export_modules``, in eval mode; it is not changed.
        inputs: real inputs in the spec's order: the first is traced with, all calibrate int8 activations and
            are what float16's range is checked on.

    Raises:
        ConversionError: a value of the module leaves float16's range and the scheme computes in float16.
    """
    model = convert_in_memory(module, spec, options, inputs)
    operations = model._mil_program.functions["main"].operations
    with _quiet_coremltools(), _disk_errors_named():
        _describe(model, spec, metadata)
        model.save(str(path))
    _make_reproducible(path)
    return CoreMLPackage(path, tuple(sorted({op.op_type for op in operations} - {"const"})))


def convert_in_memory(
    module: nn.Module,
    spec: ModuleSpec,
    options: CoreMLOptions,
    inputs: Sequence[tuple[Tensor, ...]],
) -> ct.models.MLModel:
    """Convert ``module`` as ``export_coreml`` does, and write nothing but coremltools' own temporary files.

    The model's ``_mil_program`` tells which module each operation was traced in.
    """
    scheme = SCHEMES[options.scheme]
    if scheme.computes_float16:
        require_float16_range(spec.name, module, inputs)
    if scheme.quantizes_activations:
        module = quantize_activations(module, inputs)
    with _quiet_coremltools(), _disk_errors_named():
        model = _convert(module, spec, scheme, options.target, inputs[0])
    if scheme.compression is not None:
        _require_compressed(spec, scheme, model._mil_program.functions["main"].operations)
    return model


def _require_compressed(spec: ModuleSpec, scheme: Scheme, operations: Sequence[Operation]) -> None:
    """Raise ConversionError if coremltools passed over a large kernel, which it does with no more than a log line."""
    kernels = [op.weight for op in operations if op.op_type in WEIGHTED_OPS]
    plain = [var.name for var in kernels if var.op.op_type == "const" and _is_large(var)]
    if plain:
        raise ConversionError(
            f"{spec.name} cannot be stored as '{scheme.name}': {', '.join(plain)} would stay uncompressed; "
            "choose another --quantize"
        )


def _is_large(var: Var) -> bool:
    return math.prod(var.shape) > LARGE_WEIGHT


def package_spec(spec: ModuleSpec) -> ModuleSpec:
    """``spec`` as a package has it: a photo comes as an image of 8 bits per channel, not as a tensor."""
    inputs = (
        replace(tensor, dtype="RGB image, uint8") if tensor.name == IMAGE_INPUT else tensor
        for tensor in spec.inputs
    )
    return replace(spec, inputs=tuple(inputs))


def _convert(
    module: nn.Module, spec: ModuleSpec, scheme: Scheme, target: str, example: tuple[Tensor, ...]
) -> ct.models.MLModel:
    with torch.no_grad():
        traced = torch.jit.trace(module, example, check_trace=False)
    precision = (
        ct.transform.FP16ComputePrecision(op_selector=lambda op: not _computes_phases(op))
        if scheme.computes_float16
        else ct.precision.FLOAT32
    )
    return ct.convert(
        traced,
        inputs=[_input_type(tensor) for tensor in spec.inputs],
        outputs=[ct.TensorType(tensor.name, dtype=float) for tensor in spec.outputs],
        convert_to="mlprogram",
        minimum_deployment_target=DEPLOYMENT_TARGETS[target],
        compute_precision=precision,
        pass_pipeline=pass_pipeline(scheme.compression),
        skip_model_load=True,
    )


def _input_type(tensor: TensorSpec) -> ct.TensorType | ct.ImageType:
    if tensor.name == IMAGE_INPUT:
        return ct.ImageType(tensor.name, shape=tensor.shape, color_layout=ct.colorlayout.RGB)
    return ct.TensorType(tensor.name, shape=tensor.shape, dtype=float)


def _computes_phases(op: Operation) -> bool:
    """Whether an operation computes from coordinates alone: it stays in float32.

    float16 tells neither 1000.5 from 1000.0 nor, at the phases' size, angles closer than a hundredth. There
    are a few thousand numbers of this kind, so that float32 costs nothing.
    """
    reached = _graph_inputs(op.get_flattened_inputs())
    return reached == {COORDINATES_INPUT}


def _graph_inputs(variables: Sequence[Var]) -> set[str]:
    """Names of the graph's inputs that ``variables`` are computed from."""
    names: set[str] = set()
    pending, seen = list(variables), set()
    while pending:
        var = pending.pop()
        if var in seen:
            continue
        seen.add(var)
        if var.op is None:
            names.add(var.name)
        else:
            pending.extend(var.op.get_flattened_inputs())
    return names


def _describe(model: ct.models.MLModel, spec: ModuleSpec, metadata: PackageMetadata) -> None:
    model.author = metadata.author
    model.license = metadata.license
    model.version = metadata.version
    model.short_description = spec.summary
    for tensor in spec.inputs:
        model.input_description[tensor.name] = f"{tensor.meaning} Range: {tensor.range}."
    for tensor in spec.outputs:
        model.output_description[tensor.name] = f"{tensor.meaning} Range: {tensor.range}."
    # The date of conversion would make every package differ from the last.
    model.user_defined_metadata.pop("com.github.apple.coremltools.conversion_date", None)
    for key, value in metadata.entries.items():
        model.user_defined_metadata[key] = value


def _make_reproducible(package: Path) -> None:
    """Replace what coremltools draws at random, so that equal models are equal files.

    The items of a package are named by random UUIDs in its manifest; here each UUID is derived from the
    item's path. Maps in the specification are written in the order of their keys.
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


@contextlib.contextmanager
def _quiet_coremltools() -> Iterator[None]:
    """Keep coremltools' progress bars, and warnings that a user can do nothing about, off the terminal."""
    constructor = tqdm.__init__
    tqdm.__init__ = functools.partialmethod(constructor, disable=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        tqdm.__init__ = constructor


@contextlib.contextmanager
def _disk_errors_named() -> Iterator[None]:
    """coremltools writes weights to the temporary folder first, and reports a full disk as an unknown error."""
    try:
        yield
    except RuntimeError as error:
        if "FileWriter" not in str(error):
            raise
        raise OutputError(
            f"coremltools cannot write to the temporary folder '{tempfile.gettempdir()}': make room there, or "
            "set TMPDIR to another folder"
        ) from error
