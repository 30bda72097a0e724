"""What a function takes and gives, as the model's description declares it.

Core ML's own rules: every input by name, in a shape that the description allows; pictures of the
described kind and size.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from coremltools.proto import FeatureTypes_pb2, Model_pb2

from validation.mil_runtime.arithmetic.sizes import MAX_ELEMENTS
from validation.mil_runtime.errors import ModelError
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
_DAMAGED = "the model is damaged: convert it again"
# Color space → mode of the PIL image that carries it. Core ML's own Python interface takes RGB
# pictures for either order of colors.
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
        shapes: what it may be; empty if anything goes.
        default: fills what stands for it where it is left out; None if it may not be.
        default_shape: of the default; the one that apps are shown, too.
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
        """How many axes it has; 0 if that is not described."""
        return len(self.default_shape)

    def shape_of(self, array: np.ndarray) -> tuple[int, ...]:
        """The shape that ``shapes`` speak of, of an array that the program sees."""
        return array.shape

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
        shapes: allowed (height, width).
        default_shape: the (height, width) that apps are shown.
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
        """The (height, width) of an array that the program sees."""
        return array.shape[-2:]

    def agrees_with(self, declared: TensorType) -> bool:
        """Whether what is described can be what a function declares."""
        pixels = (
            (SizeRange(1, 1), SizeRange(self.channels, self.channels), *size)
            for size in self.shapes
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


def parse_description(model: Model_pb2.Model, function: str) -> Description:
    """Features of a function, by name; ``function`` counts only where a model has several.

    Raises:
        ModelError: there is no such function, or its features are not as Core ML has them.
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
    """The function that is run where none is asked for."""
    return proto.defaultFunctionName or "main"


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
    feature = _parse_feature(proto)
    if not feature.shapes:
        raise ModelError(f"'{proto.name}': is described without a shape; {_DAMAGED}")
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
        raise ModelError(f"'{name}': has the array type {proto.dataType}, which is not known here")
    field = proto.WhichOneof("defaultOptionalValue")
    default = getattr(proto, field) if optional and field else None
    shapes = _array_shapes(proto)
    shape = _default_shape(name, tuple(proto.shape), shapes)
    if default is not None and math.prod(shape) > MAX_ELEMENTS:
        raise ModelError(f"'{name}': has a default of shape {list(shape)}; {_DAMAGED}")
    return ArrayFeature(name, _ARRAY_TYPES[proto.dataType], shapes, default, shape)


def _array_shapes(proto: _ArrayType) -> Shapes:
    flexibility = proto.WhichOneof("ShapeFlexibility")
    if flexibility == "enumeratedShapes":
        return tuple(exactly(item.shape) for item in proto.enumeratedShapes.shapes)
    if flexibility == "shapeRange":
        return (tuple(_size_range(item) for item in proto.shapeRange.sizeRanges),)
    return (exactly(proto.shape),) if proto.shape else ()


def _default_shape(name: str, shape: tuple[int, ...], shapes: Shapes) -> tuple[int, ...]:
    """``shape``, which is to be one that is allowed; if it is empty, the first or smallest that is."""
    if not shapes:
        return ()
    if not all(allowed and all(sizes.is_possible for sizes in allowed) for allowed in shapes):
        raise ModelError(f"'{name}': is described as of shape {describe(shapes)}; {_DAMAGED}")
    if not shape:
        return tuple(sizes.lower for sizes in shapes[0])
    if not fits(shape, shapes):
        raise ModelError(
            f"'{name}': has the default shape {list(shape)}, and allows {describe(shapes)}; convert "
            "it again with a default that is allowed"
        )
    return shape


def _parse_image(name: str, proto: _ImageType) -> ImageFeature:
    if proto.colorSpace not in _IMAGE_MODES:
        raise ModelError(f"'{name}': has the color space {proto.colorSpace}, not known here")
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
        raise ModelError(f"'{name}': is a picture without height or width; {_DAMAGED}")
    blue_first = proto.colorSpace == _ImageType.BGR
    return ImageFeature(name, _IMAGE_MODES[proto.colorSpace], blue_first, shapes, default)


def _size_range(proto: FeatureTypes_pb2.SizeRange) -> SizeRange:
    return SizeRange(proto.lowerBound, None if proto.upperBound < 0 else proto.upperBound)


def _may_be(declared: TensorType, shape: Shape) -> bool:
    """Whether a tensor of the declared type can have a described shape."""
    if declared.shape is None:
        return True
    sizes = declared.shape or (1,)  # scalars are described as of shape [1]
    return len(sizes) == len(shape) and all(
        size is None or size in allowed for size, allowed in zip(sizes, shape, strict=True)
    )
