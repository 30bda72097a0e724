"""What a function takes and gives, as the model's description declares it.

Core ML's own rules: every input by name, in a shape that the description allows; pictures of the
described kind and size.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from coremltools.proto import FeatureTypes_pb2, Model_pb2

from validation.mil_runtime.errors import ModelError
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


def fits(shape: tuple[int, ...], shapes: Shapes) -> bool:
    """Whether a shape is one of the allowed."""
    return any(
        len(shape) == len(allowed)
        and all(size in sizes for size, sizes in zip(shape, allowed, strict=True))
        for allowed in shapes
    )


def _by_name(
    features: Iterable[Model_pb2.FeatureDescription], parse: Callable
) -> Mapping[str, Feature]:
    parsed: dict[str, Feature] = {}
    for item in features:
        feature = parse(item)
        # coremltools describes an output twice that the model gives twice.
        if parsed.setdefault(item.name, feature) != feature:
            raise ModelError(f"'{item.name}' is described a second time, differently; {_DAMAGED}")
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


def _may_be(declared: TensorType, shape: tuple[SizeRange, ...]) -> bool:
    """Whether a tensor of the declared type can have a described shape."""
    if declared.shape is None:
        return True
    sizes = declared.shape or (1,)  # scalars are described as of shape [1]
    return len(sizes) == len(shape) and all(
        size is None or size in allowed for size, allowed in zip(sizes, shape, strict=True)
    )


def _describe_shapes(shapes: Shapes) -> str:
    if not shapes:
        return "any"
    return " or ".join(f"[{', '.join(str(size) for size in shape)}]" for shape in shapes)
