"""The types of values in an ML Program, as ``MIL.proto`` declares them and as torch holds them."""

from dataclasses import dataclass

import numpy as np
import torch
from coremltools.proto import MIL_pb2

from validation.mil_runtime.errors import DAMAGED, ModelError


@dataclass(frozen=True)
class DataType:
    """A scalar type of MIL.

    Attributes:
        name: the name in MIL's text form, such as "fp16".
        torch: the torch type that holds its values. It is wider for unsigned types of 16 bits and more,
            because torch has few operations on those. Types of less than 8 bits take a byte per value.
        numpy: the type of arrays that ``predict`` returns, and of stored constants.
        bits: the size of one element in a weight file.
        signed: whether a constant's stored bits are two's complement.
    """

    name: str
    torch: torch.dtype
    numpy: np.dtype
    bits: int
    signed: bool

    @property
    def is_float(self) -> bool:
        """Whether this is a floating-point type, to which values are rounded."""
        return self.torch.is_floating_point


def _data_type(name: str, dtype: torch.dtype, array: type, bits: int) -> DataType:
    return DataType(name, dtype, np.dtype(array), bits, not name.startswith(("uint", "bool")))


FP16 = _data_type("fp16", torch.float16, np.float16, 16)
FP32 = _data_type("fp32", torch.float32, np.float32, 32)
FP64 = _data_type("fp64", torch.float64, np.float64, 64)
BOOL = _data_type("bool", torch.bool, np.bool_, 8)
INT4 = _data_type("int4", torch.int8, np.int8, 4)
INT8 = _data_type("int8", torch.int8, np.int8, 8)
INT16 = _data_type("int16", torch.int16, np.int16, 16)
INT32 = _data_type("int32", torch.int32, np.int32, 32)
INT64 = _data_type("int64", torch.int64, np.int64, 64)
UINT1 = _data_type("uint1", torch.uint8, np.uint8, 1)
UINT2 = _data_type("uint2", torch.uint8, np.uint8, 2)
UINT3 = _data_type("uint3", torch.uint8, np.uint8, 3)
UINT4 = _data_type("uint4", torch.uint8, np.uint8, 4)
UINT6 = _data_type("uint6", torch.uint8, np.uint8, 6)
UINT8 = _data_type("uint8", torch.uint8, np.uint8, 8)
UINT16 = _data_type("uint16", torch.int32, np.uint16, 16)
UINT32 = _data_type("uint32", torch.int64, np.uint32, 32)

_INTEGERS = (
    *(INT4, INT8, INT16, INT32, INT64),
    *(UINT1, UINT2, UINT3, UINT4, UINT6, UINT8, UINT16, UINT32),
)
_PROTO_NAMES = {
    "FLOAT16": FP16,
    "FLOAT32": FP32,
    "FLOAT64": FP64,
    "BOOL": BOOL,
    **{data_type.name.upper(): data_type for data_type in _INTEGERS},
}
# Name → type, with the names that ``cast`` and similar operators take as ``dtype``.
DATA_TYPES = {data_type.name: data_type for data_type in _PROTO_NAMES.values()}


@dataclass(frozen=True)
class TensorType:
    """A tensor. A dimension of None is known only when the program runs.

    ``shape`` is None for a tensor of unknown rank.
    """

    dtype: DataType
    shape: tuple[int | None, ...] | None

    def __str__(self) -> str:
        """Return a text such as ``fp16[1, 3, ?, ?]``."""
        if self.shape is None:
            return f"{self.dtype.name}[...]"
        sizes = ("?" if size is None else str(size) for size in self.shape)
        return f"{self.dtype.name}[{', '.join(sizes)}]"


@dataclass(frozen=True)
class StringType:
    """A text, such as a mode, an equation or a label."""


@dataclass(frozen=True)
class ListType:
    """A list of values of one type; ``length`` is None if it can grow."""

    element: "ValueType"
    length: int | None


@dataclass(frozen=True)
class StateType:
    """A tensor that persists between predictions."""

    tensor: TensorType


@dataclass(frozen=True)
class DictionaryType:
    """Labels with their probabilities."""


@dataclass(frozen=True)
class TupleType:
    """Several values in one value."""

    elements: tuple["ValueType", ...]


ValueType = TensorType | StringType | ListType | StateType | DictionaryType | TupleType


def parse_value_type(proto: MIL_pb2.ValueType, place: str) -> ValueType:
    """Parse a type from its proto.

    Raises:
        ModelError: the type is unknown. The message names ``place``.
    """
    kind = proto.WhichOneof("type")
    if kind == "tensorType":
        return _parse_tensor_type(proto.tensorType, place)
    if kind == "listType":
        element = parse_value_type(proto.listType.type, place)
        return ListType(element, _parse_dimension(proto.listType.length))
    if kind == "stateType":
        wrapped = parse_value_type(proto.stateType.wrappedType, place)
        if not isinstance(wrapped, TensorType):
            raise ModelError(
                f"{place}: a state holds a {type(wrapped).__name__}, expected a tensor"
            )
        return StateType(wrapped)
    if kind == "dictionaryType":
        return DictionaryType()
    if kind == "tupleType":
        return TupleType(tuple(parse_value_type(item, place) for item in proto.tupleType.types))
    raise ModelError(f"{place}: has no type; {DAMAGED}")


def _parse_tensor_type(proto: MIL_pb2.TensorType, place: str) -> TensorType | StringType:
    if proto.dataType == MIL_pb2.STRING:
        return StringType()
    name = _enum_name(proto.dataType)
    if name not in _PROTO_NAMES:
        raise ModelError(
            f"{place}: has the data type {name}, expected one of {', '.join(_PROTO_NAMES)}"
        )
    if any(d.WhichOneof("dimension") == "unknown" and d.unknown.variadic for d in proto.dimensions):
        return TensorType(_PROTO_NAMES[name], None)
    if proto.rank >= 0 and proto.rank != len(proto.dimensions):
        raise ModelError(
            f"{place}: has rank {proto.rank} and {len(proto.dimensions)} dimensions; {DAMAGED}"
        )
    shape = tuple(_parse_dimension(dimension) for dimension in proto.dimensions)
    return TensorType(_PROTO_NAMES[name], shape)


def _parse_dimension(proto: MIL_pb2.Dimension) -> int | None:
    return proto.constant.size if proto.WhichOneof("dimension") == "constant" else None


def _enum_name(number: int) -> str:
    known = MIL_pb2.DataType.values()
    return MIL_pb2.DataType.Name(number) if number in known else str(number)
