"""The inputs and outputs of a function, as the model's description declares them.

The rules are those of Core ML: every input is passed by name, arrays have an allowed shape, and pictures
have the described mode and size.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from coremltools.proto import FeatureTypes_pb2, Model_pb2

from validation.mil_runtime.arithmetic.sizes import MAX_ELEMENTS
from validation.mil_runtime.errors import DAMAGED, ModelError
from validation.mil_runtime.flexible_shapes import (
    Shape,
    Shapes,
    SizeRange,
    describe,
    exactly,
    fits,
    require_compatible,
)
from validation.mil_runtime.model.value_types import (
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
# Color space → mode of the PIL image. coremltools takes RGB pictures for both orders of colors.
_IMAGE_MODES = {
    _ImageType.RGB: "RGB",
    _ImageType.BGR: "RGB",
    _ImageType.GRAYSCALE: "L",
    _ImageType.GRAYSCALE_FLOAT16: "F",
}


@dataclass(frozen=True)
class ArrayFeature:
    """A tensor of numbers.

    Attributes:
        name: the feature's name.
        dtype: the type of its numbers.
        shapes: the allowed shapes; empty if any shape is allowed.
        default: the number that fills a missing input; None if the input is required.
        default_shape: the shape of a missing input, which apps see as the feature's shape.
    """

    name: str
    dtype: DataType
    shapes: Shapes
    default: float | None = None
    default_shape: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.dtype.name} of shape {describe(self.shapes)}"

    @property
    def rank(self) -> int:
        """The number of axes; 0 if it is not described."""
        return len(self.default_shape)

    def shape_of(self, array: np.ndarray) -> tuple[int, ...]:
        """Return the shape to compare with ``shapes``, of an array as the program sees it."""
        return array.shape

    def agrees_with(self, declared: TensorType) -> bool:
        """Return whether this description fits the type that a function declares."""
        if self.dtype.is_float != declared.dtype.is_float:
            return False
        return not self.shapes or any(_may_be(declared, shape) for shape in self.shapes)


@dataclass(frozen=True)
class ImageFeature:
    """A picture. The program sees it as (1, channels, height, width) with values in 0…255.

    Attributes:
        name: the feature's name.
        mode: the mode of the PIL image: "RGB", "L" or "F".
        reversed: whether the program expects blue first.
        shapes: the allowed (height, width).
        default_shape: the (height, width) that apps see as the feature's size.
    """

    name: str
    mode: str
    reversed: bool
    shapes: Shapes
    default_shape: tuple[int, ...]
    default: None = None

    def __str__(self) -> str:
        return f"a PIL image of mode {self.mode}, (height, width) {describe(self.shapes)}"

    def shape_of(self, array: np.ndarray) -> tuple[int, ...]:
        """Return the (height, width) of an array as the program sees it."""
        return array.shape[-2:]

    def agrees_with(self, declared: TensorType) -> bool:
        """Return whether this description fits the type that a function declares."""
        pixels = (
            (SizeRange(1, 1), SizeRange(self.channels, self.channels), *size)
            for size in self.shapes
        )
        return (declared.dtype.is_float or declared.dtype == UINT8) and any(
            _may_be(declared, shape) for shape in pixels
        )

    @property
    def channels(self) -> int:
        """The number of channels per pixel."""
        return 3 if self.mode == "RGB" else 1


@dataclass(frozen=True)
class OtherFeature:
    """A label or a table of probabilities. Only outputs have these types."""

    name: str


Feature = ArrayFeature | ImageFeature | OtherFeature


@dataclass(frozen=True)
class Description:
    """The inputs, outputs and states of a function."""

    inputs: Mapping[str, Feature]
    outputs: Mapping[str, Feature]
    states: Mapping[str, ArrayFeature]

    def __str__(self) -> str:
        return "; ".join(f"'{name}': {feature}" for name, feature in self.inputs.items())


def parse_description(model: Model_pb2.Model, function: str) -> Description:
    """Parse the features of a function. ``function`` matters only if a model has several.

    Raises:
        ModelError: the model has no such function, or its features are malformed.
    """
    proto = source = model.description
    if proto.functions:
        source = next((item for item in proto.functions if item.name == function), None)
        if source is None:
            names = ", ".join(item.name for item in proto.functions)
            raise ModelError(f"the model has no function '{function}': expected one of {names}")
    inputs = _by_name(source.input, _parse_input)
    require_compatible(
        {name: feature.shapes for name, feature in inputs.items()}, model.specificationVersion
    )
    return Description(
        inputs,
        _by_name(source.output, _parse_output),
        _by_name(source.state, _parse_state),
    )


def default_function(proto: Model_pb2.ModelDescription) -> str:
    """Return the function that runs if none is chosen."""
    return proto.defaultFunctionName or "main"


def _by_name(
    features: Iterable[Model_pb2.FeatureDescription], parse: Callable
) -> Mapping[str, Feature]:
    parsed: dict[str, Feature] = {}
    for item in features:
        feature = parse(item)
        # coremltools describes an output twice if the model gives it twice.
        if parsed.setdefault(item.name, feature) != feature:
            raise ModelError(f"'{item.name}' is described a second time, differently; {DAMAGED}")
    return parsed


def _parse_input(proto: Model_pb2.FeatureDescription) -> ArrayFeature | ImageFeature:
    feature = _parse_feature(proto)
    if not feature.shapes:
        raise ModelError(f"'{proto.name}': is described without a shape; {DAMAGED}")
    return feature


def _parse_output(proto: Model_pb2.FeatureDescription) -> Feature:
    if proto.type.WhichOneof("Type") in ("int64Type", "stringType", "dictionaryType"):
        return OtherFeature(proto.name)
    return _parse_feature(proto)


def _parse_feature(proto: Model_pb2.FeatureDescription) -> ArrayFeature | ImageFeature:
    kind = proto.type.WhichOneof("Type")
    if kind == "multiArrayType":
        return _parse_array(proto.name, proto.type.multiArrayType, proto.type.isOptional)
    if kind == "imageType":
        return _parse_image(proto.name, proto.type.imageType)
    raise ModelError(f"'{proto.name}': is described as {kind}, expected an array or a picture")


def _parse_state(proto: Model_pb2.FeatureDescription) -> ArrayFeature:
    return _parse_array(proto.name, proto.type.stateType.arrayType, optional=False)


def _parse_array(name: str, proto: _ArrayType, optional: bool) -> ArrayFeature:
    if proto.dataType not in _ARRAY_TYPES:
        raise ModelError(
            f"'{name}': has the unknown array type {proto.dataType}; convert the model again with coremltools 9.0"
        )
    field = proto.WhichOneof("defaultOptionalValue")
    default = getattr(proto, field) if optional and field else None
    shapes = _array_shapes(proto)
    shape = _default_shape(name, tuple(proto.shape), shapes)
    if default is not None and math.prod(shape) > MAX_ELEMENTS:
        raise ModelError(f"'{name}': has a default of shape {list(shape)}; {DAMAGED}")
    return ArrayFeature(name, _ARRAY_TYPES[proto.dataType], shapes, default, shape)


def _array_shapes(proto: _ArrayType) -> Shapes:
    flexibility = proto.WhichOneof("ShapeFlexibility")
    if flexibility == "enumeratedShapes":
        return tuple(exactly(item.shape) for item in proto.enumeratedShapes.shapes)
    if flexibility == "shapeRange":
        return (tuple(_size_range(item) for item in proto.shapeRange.sizeRanges),)
    return (exactly(proto.shape),) if proto.shape else ()


def _default_shape(name: str, shape: tuple[int, ...], shapes: Shapes) -> tuple[int, ...]:
    """Check that ``shape`` is allowed and return it. If it is empty, return the first or smallest allowed."""
    if not shapes:
        return ()
    if not all(allowed and all(sizes.is_possible for sizes in allowed) for allowed in shapes):
        raise ModelError(f"'{name}': is described as of shape {describe(shapes)}; {DAMAGED}")
    if not shape:
        return tuple(sizes.lower for sizes in shapes[0])
    if not fits(shape, shapes):
        raise ModelError(
            f"'{name}': has the default shape {list(shape)}, but allows {describe(shapes)}; convert "
            "it again with an allowed default"
        )
    return shape


def _parse_image(name: str, proto: _ImageType) -> ImageFeature:
    if proto.colorSpace not in _IMAGE_MODES:
        raise ModelError(
            f"'{name}': has the unknown color space {proto.colorSpace}; convert the model again with coremltools 9.0"
        )
    flexibility = proto.WhichOneof("SizeFlexibility")
    if flexibility == "enumeratedSizes":
        shapes = tuple(exactly((item.height, item.width)) for item in proto.enumeratedSizes.sizes)
    elif flexibility == "imageSizeRange":
        allowed = proto.imageSizeRange
        shapes = ((_size_range(allowed.heightRange), _size_range(allowed.widthRange)),)
    else:
        shapes = (exactly((proto.height, proto.width)),)
    default = (proto.height, proto.width) if proto.height and proto.width else ()
    default = _default_shape(name, default, shapes)
    if min(default, default=0) < 1:
        raise ModelError(f"'{name}': is a picture without height or width; {DAMAGED}")
    blue_first = proto.colorSpace == _ImageType.BGR
    return ImageFeature(name, _IMAGE_MODES[proto.colorSpace], blue_first, shapes, default)


def _size_range(proto: FeatureTypes_pb2.SizeRange) -> SizeRange:
    return SizeRange(proto.lowerBound, None if proto.upperBound < 0 else proto.upperBound)


def _may_be(declared: TensorType, shape: Shape) -> bool:
    """Return whether a tensor of the declared type can have a described shape."""
    if declared.shape is None:
        return True
    sizes = declared.shape or (1,)  # the description of a scalar has the shape [1]
    return len(sizes) == len(shape) and all(
        size is None or size in allowed for size, allowed in zip(sizes, shape, strict=True)
    )
