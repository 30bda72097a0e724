"""Converting an export module to a Core ML package (.mlpackage), on any operating system."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import coremltools as ct
import torch
from torch import Tensor, nn

from converters.calibration import ComponentCalibration
from converters.coreml.activation_quantization import quantize_activations
from converters.coreml.coremltools_session import coremltools_session, validated_once
from converters.coreml.float16_range import Ranges, measure_ranges
from converters.coreml.float16_repair import Overflows, choose_exponents, find_overflows, scaled
from converters.coreml.float32_operations import Float16Selector
from converters.coreml.options import CoreMLOptions
from converters.coreml.package_files import PackageMetadata, save_package
from converters.coreml.package_spec import IMAGE_INPUT
from converters.coreml.passes import pass_pipeline
from converters.coreml.schemes import ALL_SCHEMES
from converters.io_spec import ModuleSpec, TensorSpec
from converters.quantization.quantized_weight import replaced_weights
from converters.quantization.weight_formats import WeightFormat


@dataclass(frozen=True)
class Float16Fit:
    """The changes that make a module fit float16.

    Attributes:
        exponents: path of a residual stream, or of a layer normalization whose input is scaled → the power of two that
            scales its values. The outputs of the module stay the same.
        float32: operations that stay in float32 because float16 cannot hold their values, as ``path: operation``.
        headroom: how many times larger than on the calibration photos the float16 values may become. None if all of
            them are zero.
    """

    exponents: Mapping[str, int]
    float32: tuple[str, ...]
    headroom: float | None


@dataclass(frozen=True)
class ConvertedModel:
    """A converted module in memory. ``float16`` is None if it computes in float32."""

    model: ct.models.MLModel
    float16: Float16Fit | None


@dataclass(frozen=True)
class CoreMLPackage:
    """A written package: its path, its MIL operators, and how it fits float16 (None if it computes in float32)."""

    path: Path
    operators: tuple[str, ...]
    float16: Float16Fit | None


class CoreMLExporter:
    """Converts one module in any number of schemes. What they have in common is computed once."""

    def __init__(
        self,
        module: nn.Module,
        spec: ModuleSpec,
        example: tuple[Tensor, ...],
        calibration: ComponentCalibration,
    ) -> None:
        """Take the module to convert.

        Args:
            module: an export module from ``converters.export_modules``, in eval mode. It is not changed.
            spec: the inputs and outputs of the module.
            example: a real input in the order of ``spec``, for tracing.
            calibration: the inputs that int8 activations and the fit to float16 are chosen for, and what the layers
                read, for the rounding of weights.
        """
        self._module, self._spec = module, spec
        self._example, self._calibration = example, calibration
        self._traces: dict[nn.Module, torch.jit.ScriptModule] = {}

    def export(
        self,
        options: CoreMLOptions,
        formats: Mapping[str, WeightFormat],
        metadata: PackageMetadata,
        path: Path,
    ) -> CoreMLPackage:
        """Convert the module and write it.

        Args:
            options: the scheme and the deployment target.
            formats: path of a layer → how its weight is stored. The others are floats.
            metadata: the metadata that Xcode shows.
            path: the package to write, a new folder.

        Raises:
            ConversionError: the conversion lost a quantized weight.
        """
        converted = self.convert(options, formats)
        operations = converted.model._mil_program.functions["main"].operations
        save_package(converted.model, self._spec, metadata, path)
        operators = tuple(sorted({op.op_type for op in operations} - {"const"}))
        return CoreMLPackage(path, operators, converted.float16)

    def convert(
        self, options: CoreMLOptions, formats: Mapping[str, WeightFormat]
    ) -> ConvertedModel:
        """Convert the module, and write only the temporary files of coremltools."""
        scheme, module = ALL_SCHEMES[options.scheme], self._module
        fit = selector = None
        if scheme.computes_float16:
            is_quantized = self._spec.name in scheme.quantized_activations
            module, overflows = self._quantized if is_quantized else self._fitted
            selector = Float16Selector(module, overflows)
        traced = self._trace(module)
        weights = self._calibration.round_weights(module, formats)
        # The trace shares the weights of the module.
        with replaced_weights(module, weights), coremltools_session(), validated_once():
            pipeline = pass_pipeline(module, weights)
            model = _convert(traced, self._spec, options.target, selector, pipeline)
        model._mil_program.validate()
        if selector is not None:
            headroom = overflows.headroom if math.isfinite(overflows.headroom) else None
            fit = Float16Fit(self._exponents, selector.kept, headroom)
        return ConvertedModel(model, fit)

    @cached_property
    def _ranges(self) -> Ranges:
        return measure_ranges(self._module, self._calibration.inputs)

    @cached_property
    def _exponents(self) -> dict[str, int]:
        """The powers of two that scale the streams of the module."""
        return choose_exponents(self._module, self._ranges)

    @cached_property
    def _fitted(self) -> tuple[nn.Module, Overflows]:
        """The module whose streams are scaled, and its values that still overflow."""
        fitted = scaled(self._module, self._exponents)
        is_same = fitted is self._module
        ranges = self._ranges if is_same else measure_ranges(fitted, self._calibration.inputs)
        return fitted, find_overflows(ranges)

    @cached_property
    def _quantized(self) -> tuple[nn.Module, Overflows]:
        """The scaled module whose layers take int8 inputs, and its values that overflow."""
        quantized = quantize_activations(
            scaled(self._module, self._exponents), self._calibration.inputs
        )
        return quantized, find_overflows(measure_ranges(quantized, self._calibration.inputs))

    def _trace(self, module: nn.Module) -> torch.jit.ScriptModule:
        if module not in self._traces:
            with coremltools_session(), torch.no_grad():
                self._traces[module] = torch.jit.trace(module, self._example, check_trace=False)
        return self._traces[module]


def _convert(
    traced: torch.jit.ScriptModule,
    spec: ModuleSpec,
    target: str,
    select_float16: Float16Selector | None,
    pipeline: ct.PassPipeline,
) -> ct.models.MLModel:
    return ct.convert(
        traced,
        inputs=[_input_type(tensor) for tensor in spec.inputs],
        outputs=[ct.TensorType(tensor.name, dtype=float) for tensor in spec.outputs],
        convert_to="mlprogram",
        minimum_deployment_target=ct.target[target],
        compute_precision=(
            ct.transform.FP16ComputePrecision(op_selector=select_float16)
            if select_float16
            else ct.precision.FLOAT32
        ),
        pass_pipeline=pipeline,
        skip_model_load=True,
    )


def _input_type(tensor: TensorSpec) -> ct.TensorType | ct.ImageType:
    if tensor.name == IMAGE_INPUT:
        return ct.ImageType(tensor.name, shape=tensor.shape, color_layout=ct.colorlayout.RGB)
    return ct.TensorType(tensor.name, shape=tensor.shape, dtype=float)
