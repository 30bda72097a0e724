"""What a model takes and gives, as its description promises: checked, and turned into tensors.

Core ML's own rules: every input by name, in a shape that the description allows; numbers are
converted to the described type; pictures are PIL images of the described kind and size.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from coremltools.proto import FeatureTypes_pb2, Model_pb2
from PIL import Image
from torch import Tensor

from validation.mil_runtime.errors import InputError, ModelError
from validation.mil_runtime.numerics import Numerics
from validation.mil_runtime.operators.registry import StateCell, TensorList
from validation.mil_runtime.operators.sizes import MAX_ELEMENTS
from validation.mil_runtime.value_types import (
    FP16,
    FP32,
    FP64,
    INT8,
    INT32,
    UINT8,
    DataType,
    TensorType,
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
_DAMAGED = "the model is damaged: convert it again"
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
        default: fills what stands for it where it is left out; None if it may not be.
        default_shape: of the default.
    """

    name: str
    dtype: DataType
    shapes: Shapes
    default: float | None = None
    default_shape: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.dtype.name} of shape {_describe_shapes(self.shapes)}"

    def agrees_with(self, declared: TensorType) -> bool:
        """Whether what is described can be what a function declares."""
        if self.dtype.is_float != declared.dtype.is_float:
            return False
        return not self.shapes or any(_may_be(declared, shape) for shape in self.shapes)

    def read(self, value: object) -> np.ndarray:
        """A user's value as an array of the described type; InputError if it is not one."""
        array = read_numbers(value, f"input '{self.name}'", str(self))
        if self.shapes and not _fits(array.shape, self.shapes):
            raise InputError(
                f"input '{self.name}': {_misfit(array.shape, self.shapes)}, expected {self}"
            )
        if self.dtype.is_float:
            return array
        bounds = np.iinfo(self.dtype.numpy)
        exact = array.dtype.kind in "iub" or bool(np.all(np.floor(array) == array))
        if not exact or (array.size and (array.min() < bounds.min or array.max() > bounds.max)):
            raise InputError(
                f"input '{self.name}': has values that {self.dtype.name} cannot hold, expected {self}"
            )
        return array


@dataclass(frozen=True)
class ImageFeature:
    """A picture; the program sees (1, channels, height, width), values 0…255.

    Attributes:
        mode: of the PIL image, "RGB", "L" or "F".
        reversed: whether the program sees blue first.
        sizes: allowed (height, width).
    """

    name: str
    mode: str
    reversed: bool
    sizes: Shapes
    default: None = None

    def __str__(self) -> str:
        return f"a PIL image of mode {self.mode}, (height, width) {_describe_shapes(self.sizes)}"

    def agrees_with(self, declared: TensorType) -> bool:
        """Whether what is described can be what a function declares."""
        pixels = (
            (SizeRange(1, 1), SizeRange(self.channels, self.channels), *size) for size in self.sizes
        )
        return (declared.dtype.is_float or declared.dtype == UINT8) and any(
            _may_be(declared, shape) for shape in pixels
        )

    @property
    def channels(self) -> int:
        """How many numbers make a pixel."""
        return 3 if self.mode == "RGB" else 1

    def read(self, value: object) -> np.ndarray:
        """A picture as an array (1, C, H, W); uint8 (H, W, 3) or (H, W) arrays are pictures too."""
        if isinstance(value, np.ndarray) and value.dtype == np.uint8:
            value = self._as_picture(value)
        if not isinstance(value, Image.Image):
            raise InputError(f"input '{self.name}': a {type(value).__name__}, expected {self}")
        if value.mode != self.mode or not _fits((value.height, value.width), self.sizes):
            raise InputError(
                f"input '{self.name}': a picture of mode {value.mode}, (height, width) "
                f"[{value.height}, {value.width}], expected {self}"
            )
        pixels = np.asarray(value)
        if pixels.ndim == 2:
            return pixels[None, None]  # (H, W) → (1, 1, H, W)
        channels = pixels[..., ::-1] if self.reversed else pixels
        return channels.transpose(2, 0, 1)[None]  # (H, W, C) → (1, C, H, W)

    def write(self, tensor: Tensor) -> Image.Image:
        """A picture from the program's (1, C, H, W), rounded to what its mode holds.

        In colour it is RGBA, and opaque: so coremltools hands out Core ML's.
        """
        if tensor.dim() != 4 or tensor.shape[:2] != (1, self.channels):
            raise ModelError(
                f"output '{self.name}': has the shape {list(tensor.shape)}, expected "
                f"[1, {self.channels}, height, width] for {self}"
            )
        pixels = tensor[0].float().permute(1, 2, 0).numpy()  # (1, C, H, W) → (H, W, C)
        if self.mode != "F":
            pixels = np.clip(np.rint(np.nan_to_num(pixels)), 0, 255).astype(np.uint8)
        if self.mode == "RGB":
            colors = pixels[..., ::-1] if self.reversed else pixels
            return Image.fromarray(np.pad(colors, [(0, 0), (0, 0), (0, 1)], constant_values=255))
        return Image.fromarray(pixels[..., 0].copy())

    def _as_picture(self, array: np.ndarray) -> Image.Image:
        try:
            return Image.fromarray(array)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"input '{self.name}': an array of shape {list(array.shape)}, expected {self}"
            ) from error


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
        return "; ".join(f"'{name}': {feature}" for name, feature in self.inputs.items())


def parse_description(proto: Model_pb2.ModelDescription, function: str) -> Description:
    """Features of a function, by name; ``function`` counts only where a model has several."""
    source = proto
    if proto.functions:
        source = next((item for item in proto.functions if item.name == function), None)
        if source is None:
            names = ", ".join(item.name for item in proto.functions)
            raise ModelError(f"the model has no function '{function}': expected one of {names}")
    return Description(
        _by_name(source.input, _parse_input),
        _by_name(source.output, _parse_output),
        _by_name(source.state, _parse_state),
    )


def default_function(proto: Model_pb2.ModelDescription) -> str:
    """The function that is run where none is asked for."""
    return proto.defaultFunctionName or "main"


def to_program(array: np.ndarray, declared: TensorType, numerics: Numerics) -> Tensor:
    """An input's values in the type that holds them in the program."""
    if declared.shape == ():
        array = array.reshape(())  # described as of shape [1], since Core ML has no scalars outside
    # A copy, since the caller may change the array while the program still holds it.
    return torch.from_numpy(_converted(array, _numpy_of(numerics.held_in(declared.dtype))))


def from_program(value: object, feature: Feature | None, numerics: Numerics) -> object:
    """A value as the caller gets it, to keep: an array, a picture, a label, or a list of them."""
    if isinstance(value, StateCell):
        value = value.value
    if isinstance(value, TensorList):
        value = list(value.elements)
    if isinstance(value, list):
        return [from_program(item, None, numerics) for item in value]
    if not isinstance(value, Tensor):
        return value
    if isinstance(feature, ImageFeature):
        return feature.write(value)
    if isinstance(feature, OtherFeature):  # a label that is a number
        return value.item()
    array = value.numpy()
    if feature is None:
        return array.copy()
    array = array.reshape(1) if array.ndim == 0 else array
    exact = feature.dtype.is_float and not numerics.rounds
    return _converted(array, array.dtype if exact else feature.dtype.numpy)


def read_numbers(value: object, what: str, expected: str) -> np.ndarray:
    """A user's value as an array of numbers; InputError, naming ``what`` it is for, if it is none."""
    try:
        if isinstance(value, Tensor):
            value = value.detach().cpu()
            value = (value.float() if value.dtype == torch.bfloat16 else value).numpy()
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError, OverflowError) as error:  # a ragged list, say
        raise InputError(f"{what}: is no array ({error}), expected {expected}") from error
    if array.dtype.kind not in "fiub":
        raise InputError(f"{what}: of type {array.dtype}, expected {expected}")
    return array


def _converted(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """A copy in another type; beyond its range floating-point numbers become infinite."""
    with np.errstate(over="ignore"):
        return np.array(array, dtype, order="C")


def _by_name(
    features: Iterable[Model_pb2.FeatureDescription], parse: Callable
) -> Mapping[str, Feature]:
    parsed: dict[str, Feature] = {}
    for item in features:
        if item.name in parsed:
            raise ModelError(f"'{item.name}' is described a second time; {_DAMAGED}")
        parsed[item.name] = parse(item)
    return parsed


def _parse_input(proto: Model_pb2.FeatureDescription) -> ArrayFeature | ImageFeature:
    kind = proto.type.WhichOneof("Type")
    if kind == "multiArrayType":
        return _parse_array(proto.name, proto.type.multiArrayType, proto.type.isOptional)
    if kind == "imageType":
        return _parse_image(proto.name, proto.type.imageType)
    raise ModelError(f"'{proto.name}': is described as {kind}, expected an array or a picture")


def _parse_output(proto: Model_pb2.FeatureDescription) -> Feature:
    if proto.type.WhichOneof("Type") in ("int64Type", "stringType", "dictionaryType"):
        return OtherFeature(proto.name)
    return _parse_input(proto)


def _parse_state(proto: Model_pb2.FeatureDescription) -> ArrayFeature:
    return _parse_array(proto.name, proto.type.stateType.arrayType, optional=False)


def _parse_array(name: str, proto: _ArrayType, optional: bool) -> ArrayFeature:
    if proto.dataType not in _ARRAY_TYPES:
        raise ModelError(f"'{name}': has the array type {proto.dataType}, which is not known here")
    field = proto.WhichOneof("defaultOptionalValue")
    default = getattr(proto, field) if optional and field else None
    shape = tuple(proto.shape)
    if default is not None and (min(shape, default=0) < 0 or math.prod(shape) > MAX_ELEMENTS):
        raise ModelError(f"'{name}': has a default of shape {list(shape)}; {_DAMAGED}")
    return ArrayFeature(name, _ARRAY_TYPES[proto.dataType], _array_shapes(proto), default, shape)


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


def _may_be(declared: TensorType, shape: tuple[SizeRange, ...]) -> bool:
    """Whether a tensor of the declared type can have a described shape."""
    if declared.shape is None:
        return True
    sizes = declared.shape or (1,)  # scalars are described as of shape [1]
    return len(sizes) == len(shape) and all(
        size is None or size in allowed for size, allowed in zip(sizes, shape, strict=True)
    )


def _misfit(shape: tuple[int, ...], shapes: Shapes) -> str:
    """What is wrong with a shape that fits none of ``shapes``, where Core ML is as exact: its words."""
    if len(shapes) > 1:
        sizes = " x ".join(map(str, shape))
        return f"MultiArray Shape ({sizes}) was not in enumerated set of allowed shapes"
    (allowed,) = shapes
    if len(shape) == len(allowed) and any(sizes.lower != sizes.upper for sizes in allowed):
        axis = next(axis for axis, size in enumerate(shape) if size not in allowed[axis])
        lower, upper = allowed[axis].lower, allowed[axis].upper
        return (
            f"Size ({shape[axis]}) of dimension ({axis}) is not in allowed range "
            f"({lower}..{'any' if upper is None else upper})"
        )
    return f"an array of shape {list(shape)}"


def _describe_shapes(shapes: Shapes) -> str:
    if not shapes:
        return "any"
    return " or ".join(f"[{', '.join(str(size) for size in shape)}]" for shape in shapes)


def _numpy_of(dtype: torch.dtype) -> np.dtype:
    return torch.empty((), dtype=dtype).numpy().dtype
