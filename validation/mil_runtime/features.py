"""What a model takes and gives, as its description promises: checked, and turned into tensors.

Core ML's own rules: every input by name, in a shape that the description allows; numbers are
converted to the described type; pictures are PIL images of the described kind and size.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from coremltools.proto import FeatureTypes_pb2, Model_pb2
from PIL import Image
from torch import Tensor

from validation.mil_runtime.errors import InputError, ModelError
from validation.mil_runtime.numerics import Numerics
from validation.mil_runtime.value_types import (
    FP16,
    FP32,
    FP64,
    INT8,
    INT32,
    DataType,
    StateType,
    TensorType,
    ValueType,
)

_ArrayType = FeatureTypes_pb2.ArrayFeatureType
_ImageType = FeatureTypes_pb2.ImageFeatureType
_ARRAY_TYPES = {
    _ArrayType.FLOAT16: FP16,
    _ArrayType.FLOAT32: FP32,
    _ArrayType.DOUBLE: FP64,
    _ArrayType.INT32: INT32,
    _ArrayType.INT8: INT8,
}
# Colour space → mode of the PIL image that carries it. Core ML's own Python interface takes RGB
# pictures for either order of colours.
_IMAGE_MODES = {
    _ImageType.RGB: "RGB",
    _ImageType.BGR: "RGB",
    _ImageType.GRAYSCALE: "L",
    _ImageType.GRAYSCALE_FLOAT16: "F",
}


@dataclass(frozen=True)
class SizeRange:
    """Allowed sizes of one axis, both ends included; ``upper`` is None where there is no end."""

    lower: int
    upper: int | None

    def __contains__(self, size: int) -> bool:
        return self.lower <= size and (self.upper is None or size <= self.upper)

    def __str__(self) -> str:
        if self.lower == self.upper:
            return str(self.lower)
        return f"{self.lower} to {'any' if self.upper is None else self.upper}"


# A shape is allowed if it fits one of these.
Shapes = tuple[tuple[SizeRange, ...], ...]


@dataclass(frozen=True)
class ArrayFeature:
    """A tensor of numbers.

    Attributes:
        shapes: what it may be; empty if anything goes.
        default: what stands for it where it is left out; None if it may not be.
        default_shape: of the default.
    """

    name: str
    dtype: DataType
    shapes: Shapes
    default: float | None = None
    default_shape: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"'{self.name}': {self.dtype.name} of shape {_describe_shapes(self.shapes)}"

    def read(self, value: object) -> np.ndarray:
        """A user's value as an array of the described type; InputError if it is not one."""
        array = _as_array(value, self)
        if self.shapes and not _fits(array.shape, self.shapes):
            raise InputError(f"input of shape {list(array.shape)}: the model takes {self}")
        if self.dtype.is_float:
            return array
        bounds = np.iinfo(self.dtype.numpy)
        exact = array.dtype.kind in "iub" or bool(np.all(np.floor(array) == array))
        if not exact or (array.size and (array.min() < bounds.min or array.max() > bounds.max)):
            raise InputError(
                f"input with values that {self.dtype.name} cannot hold: the model takes {self}"
            )
        return array


@dataclass(frozen=True)
class ImageFeature:
    """A picture; the program sees (1, channels, height, width), values 0…255.

    Attributes:
        mode: of the PIL image, "RGB", "L" or "F".
        reversed: whether the program sees blue first.
        sizes: allowed (height, width); empty if anything goes.
    """

    name: str
    mode: str
    reversed: bool
    sizes: Shapes
    default: None = None

    def __str__(self) -> str:
        heights_by_widths = _describe_shapes(self.sizes)
        return (
            f"'{self.name}': a PIL image of mode {self.mode}, (height, width) {heights_by_widths}"
        )

    def read(self, value: object) -> np.ndarray:
        """A picture as an array (1, C, H, W); uint8 (H, W, 3) or (H, W) arrays are pictures too."""
        if isinstance(value, np.ndarray) and value.dtype == np.uint8 and value.ndim in (2, 3):
            try:
                value = Image.fromarray(value)
            except (TypeError, ValueError) as error:
                raise InputError(f"input of shape {value.shape}: the model takes {self}") from error
        if not isinstance(value, Image.Image):
            raise InputError(f"input of type {type(value).__name__}: the model takes {self}")
        if value.mode != self.mode or (
            self.sizes and not _fits((value.height, value.width), self.sizes)
        ):
            raise InputError(
                f"picture of mode {value.mode}, (height, width) [{value.height}, {value.width}]: "
                f"the model takes {self}"
            )
        pixels = np.asarray(value)
        if pixels.ndim == 2:
            return pixels[None, None]  # (H, W) → (1, 1, H, W)
        channels = pixels[..., ::-1] if self.reversed else pixels
        return channels.transpose(2, 0, 1)[None]  # (H, W, C) → (1, C, H, W)

    def write(self, tensor: Tensor) -> Image.Image:
        """A picture from the program's (1, C, H, W), rounded to what its mode holds."""
        if tensor.dim() != 4 or tensor.shape[0] != 1:
            raise ModelError(f"output {self} has the shape {list(tensor.shape)}, expected 1×C×H×W")
        pixels = tensor[0].float().permute(1, 2, 0).numpy()  # (1, C, H, W) → (H, W, C)
        if self.mode != "F":
            pixels = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
        if self.mode == "RGB":
            return Image.fromarray(pixels[..., ::-1].copy() if self.reversed else pixels)
        return Image.fromarray(pixels[..., 0].copy(), self.mode)


@dataclass(frozen=True)
class OtherFeature:
    """A label or a table of probabilities, which only come out."""

    name: str


Feature = ArrayFeature | ImageFeature | OtherFeature


@dataclass(frozen=True)
class Description:
    """What a function takes and gives."""

    inputs: Mapping[str, Feature]
    outputs: Mapping[str, Feature]
    states: Mapping[str, ArrayFeature]

    def __str__(self) -> str:
        return "; ".join(str(feature) for feature in self.inputs.values())


def parse_description(proto: Model_pb2.ModelDescription, function: str) -> Description:
    """Features of a function, by name; ``function`` counts only where a model has several."""
    source = proto
    if proto.functions:
        source = next((item for item in proto.functions if item.name == function), None)
        if source is None:
            names = ", ".join(item.name for item in proto.functions)
            raise ModelError(f"the model has no function '{function}': expected one of {names}")
    return Description(
        {item.name: _parse_feature(item) for item in source.input},
        {item.name: _parse_feature(item) for item in source.output},
        {item.name: _parse_state(item) for item in source.state},
    )


def default_function(proto: Model_pb2.ModelDescription) -> str:
    """The function that is run where none is asked for."""
    return proto.defaultFunctionName or "main"


def to_program(array: np.ndarray, declared: ValueType, numerics: Numerics) -> Tensor:
    """An input's values in the type that holds them in the program."""
    if isinstance(declared, StateType):
        declared = declared.tensor
    if not isinstance(declared, TensorType):
        raise ModelError("an input of the program is not a tensor; the model is damaged")
    held = numerics.held_in(declared.dtype)
    # A copy, since the caller may change the array while the program still holds it.
    return torch.from_numpy(np.array(array, _numpy_of(held)))


def from_program(
    value: object, feature: Feature | None, declared: ValueType | None, numerics: Numerics
) -> object:
    """An output as the caller gets it: an array of its own, a picture, or a label."""
    if isinstance(feature, ImageFeature) and isinstance(value, Tensor):
        return feature.write(value)
    if not isinstance(value, Tensor):
        return value
    array = value.numpy()
    dtype = None
    if isinstance(feature, ArrayFeature):
        array = array.reshape(1) if array.ndim == 0 else array
        dtype = feature.dtype
    elif isinstance(declared, TensorType):
        dtype = declared.dtype
    if dtype is None or (dtype.is_float and not numerics.rounds):
        return array.copy()
    return array.astype(dtype.numpy)


def _parse_feature(proto: Model_pb2.FeatureDescription) -> Feature:
    kind = proto.type.WhichOneof("Type")
    if kind == "multiArrayType":
        return _parse_array(proto.name, proto.type.multiArrayType, proto.type.isOptional)
    if kind == "imageType":
        return _parse_image(proto.name, proto.type.imageType)
    return OtherFeature(proto.name)


def _parse_state(proto: Model_pb2.FeatureDescription) -> ArrayFeature:
    return _parse_array(proto.name, proto.type.stateType.arrayType, optional=False)


def _parse_array(name: str, proto: _ArrayType, optional: bool) -> ArrayFeature:
    if proto.dataType not in _ARRAY_TYPES:
        raise ModelError(f"'{name}': has the array type {proto.dataType}, which is not known here")
    default = None
    if optional:
        field = proto.WhichOneof("defaultOptionalValue")
        default = getattr(proto, field) if field else 0
    return ArrayFeature(
        name, _ARRAY_TYPES[proto.dataType], _array_shapes(proto), default, tuple(proto.shape)
    )


def _array_shapes(proto: _ArrayType) -> Shapes:
    flexibility = proto.WhichOneof("ShapeFlexibility")
    if flexibility == "enumeratedShapes":
        return tuple(_exactly(item.shape) for item in proto.enumeratedShapes.shapes)
    if flexibility == "shapeRange":
        return (tuple(_size_range(item) for item in proto.shapeRange.sizeRanges),)
    return (_exactly(proto.shape),) if proto.shape else ()


def _parse_image(name: str, proto: _ImageType) -> ImageFeature:
    if proto.colorSpace not in _IMAGE_MODES:
        raise ModelError(f"'{name}': has the colour space {proto.colorSpace}, not known here")
    flexibility = proto.WhichOneof("SizeFlexibility")
    if flexibility == "enumeratedSizes":
        sizes = tuple(_exactly((item.height, item.width)) for item in proto.enumeratedSizes.sizes)
    elif flexibility == "imageSizeRange":
        allowed = proto.imageSizeRange
        sizes = ((_size_range(allowed.heightRange), _size_range(allowed.widthRange)),)
    else:
        sizes = (_exactly((proto.height, proto.width)),)
    blue_first = proto.colorSpace == _ImageType.BGR
    return ImageFeature(name, _IMAGE_MODES[proto.colorSpace], blue_first, sizes)


def _exactly(shape: "tuple[int, ...]") -> tuple[SizeRange, ...]:
    return tuple(SizeRange(size, size) for size in shape)


def _size_range(proto: FeatureTypes_pb2.SizeRange) -> SizeRange:
    return SizeRange(proto.lowerBound, None if proto.upperBound < 0 else proto.upperBound)


def _fits(shape: tuple[int, ...], shapes: Shapes) -> bool:
    return any(
        len(shape) == len(allowed)
        and all(size in sizes for size, sizes in zip(shape, allowed, strict=True))
        for allowed in shapes
    )


def _describe_shapes(shapes: Shapes) -> str:
    if not shapes:
        return "any"
    return " or ".join(f"[{', '.join(str(size) for size in shape)}]" for shape in shapes)


def _as_array(value: object, feature: ArrayFeature) -> np.ndarray:
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy()
    try:
        array = np.asarray(value)
    except ValueError as error:  # a ragged list
        raise InputError(f"input that is no array ({error}): the model takes {feature}") from error
    if array.dtype.kind not in "fiub":
        raise InputError(f"input of type {array.dtype}: the model takes {feature}")
    return array


def _numpy_of(dtype: torch.dtype) -> np.dtype:
    return torch.empty((), dtype=dtype).numpy().dtype
