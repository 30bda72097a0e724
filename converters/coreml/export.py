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

from converters.coreml.float16_range import measure_ranges
from converters.coreml.float16_repair import Overflows, choose_exponents, find_overflows, scaled
from converters.coreml.float32_operations import Float16Selector
from converters.coreml.passes import pass_pipeline
from converters.coreml.schemes import (
    LARGE_WEIGHT,
    SCHEMES,
    WEIGHTED_OPS,
    Scheme,
    quantize_activations,
)
from converters.io_spec import ModuleSpec, TensorSpec
from reference.common.errors import ConversionError, OutputError
from reference.common.folders import files_below

DEPLOYMENT_TARGETS = {
    "iOS16": ct.target.iOS16,
    "iOS17": ct.target.iOS17,
    "iOS18": ct.target.iOS18,
}
IMAGE_INPUT = "image"


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
class Float16Fit:
    """How a module was made to fit float16.

    Attributes:
        exponents: by the path of a residual stream, or of a layer normalization whose input is meant, the power
            of two that its values are scaled by. What the module computes stays the same.
        float32: operations that stay float32 because float16 cannot hold their values, as ``path: operation``.
        headroom: how many times larger the values that are float16 may be than on the calibration photos; None
            if all of them are zero.
    """

    exponents: Mapping[str, int]
    float32: tuple[str, ...]
    headroom: float | None


@dataclass(frozen=True)
class ConvertedModel:
    """A converted module that was not written; ``float16`` is None where it computes in float32."""

    model: ct.models.MLModel
    float16: Float16Fit | None


@dataclass(frozen=True)
class CoreMLPackage:
    """A package that was written, the MIL operators in it, and how it fits float16 if it computes in it."""

    path: Path
    operators: tuple[str, ...]
    float16: Float16Fit | None


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
        inputs: real inputs in the spec's order: the first is traced with, all calibrate int8 activations, and
            on all of them the module is made to fit float16.

    Raises:
        ConversionError: the scheme cannot store a weight.
    """
    converted = convert_in_memory(module, spec, options, inputs)
    model = converted.model
    operations = model._mil_program.functions["main"].operations
    with _quiet_coremltools(), _disk_errors_named():
        _describe(model, spec, metadata)
        model.save(str(path))
    _make_reproducible(path)
    operators = tuple(sorted({op.op_type for op in operations} - {"const"}))
    return CoreMLPackage(path, operators, converted.float16)


def convert_in_memory(
    module: nn.Module,
    spec: ModuleSpec,
    options: CoreMLOptions,
    inputs: Sequence[tuple[Tensor, ...]],
) -> ConvertedModel:
    """Convert ``module`` as ``export_coreml`` does, and write nothing but coremltools' own temporary files."""
    scheme = SCHEMES[options.scheme]
    fit = selector = None
    if scheme.computes_float16:
        module, exponents, overflows = _fit_float16(module, scheme, inputs)
        selector = Float16Selector(module, overflows)
    with _quiet_coremltools(), _disk_errors_named():
        model = _convert(module, spec, scheme, options.target, inputs[0], selector)
    if scheme.compression is not None:
        _require_compressed(spec, scheme, model._mil_program.functions["main"].operations)
    if selector is not None:
        headroom = overflows.headroom if math.isfinite(overflows.headroom) else None
        fit = Float16Fit(exponents, selector.kept, headroom)
    return ConvertedModel(model, fit)


def _fit_float16(
    module: nn.Module, scheme: Scheme, inputs: Sequence[tuple[Tensor, ...]]
) -> tuple[nn.Module, dict[str, int], Overflows]:
    """The module that is traced, the powers of two that its streams are scaled by, and what still overflows."""
    ranges = measure_ranges(module, inputs)
    exponents = choose_exponents(module, ranges)
    fitted = scaled(module, exponents)
    if scheme.quantizes_activations:
        fitted = quantize_activations(fitted, inputs)
    if fitted is not module:
        ranges = measure_ranges(fitted, inputs)
    return fitted, exponents, find_overflows(ranges)


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
    module: nn.Module,
    spec: ModuleSpec,
    scheme: Scheme,
    target: str,
    example: tuple[Tensor, ...],
    select_float16: Float16Selector | None,
) -> ct.models.MLModel:
    with torch.no_grad():
        traced = torch.jit.trace(module, example, check_trace=False)
    return ct.convert(
        traced,
        inputs=[_input_type(tensor) for tensor in spec.inputs],
        outputs=[ct.TensorType(tensor.name, dtype=float) for tensor in spec.outputs],
        convert_to="mlprogram",
        minimum_deployment_target=DEPLOYMENT_TARGETS[target],
        compute_precision=(
            ct.transform.FP16ComputePrecision(op_selector=select_float16)
            if select_float16
            else ct.precision.FLOAT32
        ),
        pass_pipeline=pass_pipeline(scheme.compression),
        skip_model_load=True,
    )


def _input_type(tensor: TensorSpec) -> ct.TensorType | ct.ImageType:
    if tensor.name == IMAGE_INPUT:
        return ct.ImageType(tensor.name, shape=tensor.shape, color_layout=ct.colorlayout.RGB)
    return ct.TensorType(tensor.name, shape=tensor.shape, dtype=float)


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
