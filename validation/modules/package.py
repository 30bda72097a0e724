"""Runs a converted package on the tensors of its module, which may have become other features.

The features of a Core ML package have no scalars. Where the conversion says so, they are pictures of 8-bit pixels,
which coremltools scales to the values that the module takes (``scale`` and ``bias`` of ``ct.ImageType``).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from coremltools.models import MLModel
from PIL import Image
from torch import Tensor

from reference.common.errors import ArtifactError
from validation import mil_runtime
from validation.mil_runtime.model.feature_description import (
    ArrayFeature,
    Feature,
    ImageFeature,
    default_function,
    parse_description,
)
from validation.mil_runtime.model.package import Package, open_package
from validation.mil_runtime.model.program_parser import parse_function
from validation.mil_runtime.model.program_structure import Function, Operation, Reference
from validation.modules.outputs import Named, to_array

Inputs = Tensor | tuple[Tensor, ...] | Mapping[str, Tensor]
# Far above the rounding error when a pixel goes through scale, bias and back in float32.
_PIXEL_TOLERANCE = 0.01


class Predicting(Protocol):
    """A model that predicts by name: a ``mil_runtime.Program``, or on a Mac a coremltools ``MLModel``."""

    def predict(self, data: dict) -> Mapping[str, object]: ...


@dataclass(frozen=True)
class Scaling:
    """The first computation of a package on pixels: ``scale * pixel + bias``, per channel or for all channels."""

    scale: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True)
class Interface:
    """The inputs and outputs of a package.

    Attributes:
        inputs: name → feature, in order.
        outputs: name → feature.
        output_names: names in order; a name occurs twice if the model outputs a tensor twice.
        scaling: name → scaling, of inputs that are pictures.
    """

    inputs: Mapping[str, Feature]
    outputs: Mapping[str, Feature]
    output_names: tuple[str, ...]
    scaling: Mapping[str, Scaling]


class PackageModel:
    """Runs a package on the inputs of its module."""

    def __init__(self, model: Predicting) -> None:
        """Take a loaded model. A model that does not declare its inputs is given arrays by name."""
        self._model = model
        self._interface = _interface(model)

    def __call__(self, inputs: Inputs) -> list[Named]:
        """Run the package; returns its outputs with their names, in order.

        Raises:
            ArtifactError: the inputs do not fit the package, or it cannot run.
        """
        data = {name: self._feature(name, value) for name, value in self._by_name(inputs).items()}
        try:
            outputs = self._model.predict(data)
        except (mil_runtime.MilRuntimeError, RuntimeError) as error:  # Core ML raises RuntimeError
            raise ArtifactError(str(error)) from error
        if self._interface is None:
            return [(name, np.asarray(value)) for name, value in outputs.items()]
        features = self._interface.outputs
        return [
            (name, _array(outputs[name], features.get(name)))
            for name in self._interface.output_names
        ]

    def _by_name(self, inputs: Inputs) -> Mapping[str, Tensor]:
        if isinstance(inputs, Mapping):
            return inputs
        if self._interface is None:
            raise ArtifactError(
                f"inputs in order for a {type(self._model).__name__}, which does not name its inputs: "
                "expected a dict by name"
            )
        names = list(self._interface.inputs)
        if len(inputs) != len(names):
            raise ArtifactError(
                f"{len(inputs)} inputs: the conversion takes {len(names)} ({', '.join(names)}); "
                "expected as many, or a dict by name"
            )
        return dict(zip(names, inputs, strict=True))

    def _feature(self, name: str, value: Tensor) -> np.ndarray | Image.Image:
        array = to_array(value)
        feature = self._interface.inputs.get(name) if self._interface else None
        if self._interface and isinstance(feature, ImageFeature):
            return _picture(array, feature, self._interface.scaling.get(name))
        if isinstance(feature, ArrayFeature) and array.ndim == 0 and feature.rank == 1:
            return array.reshape(1)
        return array


def _interface(model: Predicting) -> Interface | None:
    try:
        if isinstance(model, mil_runtime.Program):
            names = model.function.block.outputs
            return Interface(model.inputs, model.outputs, names, _scaling((model.function,)))
        if isinstance(model, mil_runtime.Pipeline):
            functions = _functions(model)
            return Interface(model.inputs, model.outputs, tuple(model.outputs), _scaling(functions))
        if isinstance(model, MLModel):
            return _model_interface(model)
    except mil_runtime.MilRuntimeError as error:
        raise ArtifactError(str(error)) from error
    return None


def _model_interface(model: MLModel) -> Interface:
    """The interface of coremltools' own model, which Core ML runs."""
    specification = model.get_spec()
    function = model.function_name or default_function(specification.description)
    description = parse_description(specification, function)
    try:
        functions = _packaged_functions(open_package(model), function)
    except (
        mil_runtime.ModelError
    ):  # not an ML Program: Core ML runs it, but its scaling is not known
        functions = ()
    names = functions[0].block.outputs if len(functions) == 1 else tuple(description.outputs)
    return Interface(description.inputs, description.outputs, names, _scaling(functions))


def _packaged_functions(package: Package, name: str) -> tuple[Function, ...]:
    if package.stages is None:
        return (parse_function(package.specification.mlProgram, name, package.weights),)
    return tuple(
        function
        for stage in package.stages
        for function in _packaged_functions(
            stage, default_function(stage.specification.description)
        )
    )


def _functions(pipeline: mil_runtime.Pipeline) -> tuple[Function, ...]:
    return tuple(
        function
        for stage in pipeline.stages
        for function in (
            _functions(stage) if isinstance(stage, mil_runtime.Pipeline) else (stage.function,)
        )
    )


def _scaling(functions: tuple[Function, ...]) -> dict[str, Scaling]:
    """Scale and bias of each input, found by the names that coremltools gives to these operations."""
    found: dict[str, Scaling] = {}
    for function in functions:
        operations = {operation.name: operation for operation in function.block.operations}
        for item in function.inputs:
            scale, bias = (
                _constant(function, operations.get(f"{item.name}__{kind}__"), neutral)
                for kind, neutral in (("scaled", 1.0), ("biased", 0.0))
            )
            found.setdefault(item.name, Scaling(scale, bias))
    return found


def _constant(function: Function, operation: Operation | None, neutral: float) -> np.ndarray:
    if operation is None:
        return np.array(neutral, np.float64)
    (value,) = operation.arguments["y"]
    constant = function.block.constants[value.name] if isinstance(value, Reference) else value
    if not isinstance(constant, Tensor):
        raise ArtifactError(f"{operation.name} is not a number: convert the model again")
    return constant.numpy().astype(np.float64)


def _picture(array: np.ndarray, feature: ImageFeature, scaling: Scaling | None) -> Image.Image:
    """The picture from which a package computes ``array``, (1, C, H, W) or (C, H, W)."""
    what = f"input '{feature.name}'"
    image = array[None] if array.ndim == 3 else array
    if image.ndim != 4 or image.shape[:2] != (1, feature.channels):
        raise ArtifactError(
            f"{what}: of shape {list(array.shape)}, expected [1, {feature.channels}, height, width], "
            "because this input of the conversion is a picture"
        )
    pixels = image.astype(np.float64)
    if scaling is not None:
        pixels = (pixels - scaling.bias) / scaling.scale
    pixels = pixels[0].transpose(1, 2, 0)  # (1, C, H, W) → (H, W, C)
    if feature.mode == "F":
        return Image.fromarray(pixels[..., 0].astype(np.float32))
    rounded = np.rint(pixels)
    wrong = ~(np.abs(pixels - rounded) <= _PIXEL_TOLERANCE) | (rounded < 0) | (rounded > 255)
    if wrong.any():
        raise ArtifactError(
            f"{what}: {pixels[wrong][0]:g} as a pixel, expected whole numbers of 0 to 255, because "
            "this input of the conversion is a picture: pass the values that the module takes for such "
            "pixels (the conversion's scale and bias are undone here)"
        )
    colors = rounded.astype(np.uint8)
    if feature.channels == 1:
        return Image.fromarray(colors[..., 0])
    return Image.fromarray(np.ascontiguousarray(colors[..., ::-1] if feature.reversed else colors))


def _array(value: object, feature: Feature | None) -> np.ndarray:
    """An output in the form in which the module gives it; a picture becomes (1, C, H, W)."""
    array = np.asarray(value)
    if not isinstance(feature, ImageFeature):
        return array
    if array.ndim == 2:
        return array[None, None]  # (H, W) → (1, 1, H, W)
    colors = array[..., 2::-1] if feature.reversed else array[..., :3]  # without the alpha channel
    return colors.transpose(2, 0, 1)[None]  # (H, W, C) → (1, C, H, W)
