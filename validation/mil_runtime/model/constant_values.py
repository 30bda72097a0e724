"""Decodes the constants of an ML Program, which are in its proto or in weight files."""

import numpy as np
import torch
from coremltools.proto import MIL_pb2
from torch import Tensor

from validation.mil_runtime.errors import DAMAGED, ModelError
from validation.mil_runtime.model.blob_storage import unpack
from validation.mil_runtime.model.package import WeightFiles
from validation.mil_runtime.model.program_structure import Constant
from validation.mil_runtime.model.value_types import (
    BOOL,
    FP16,
    FP32,
    FP64,
    INT64,
    UINT32,
    DataType,
    ListType,
    StringType,
    TensorType,
    ValueType,
    parse_value_type,
)

MAX_DEPTH = 32  # levels of nested blocks or values; a real program has a handful
_MAX_ELEMENTS = 1 << 31  # in one constant
_MAX_RANK = 16  # axes of one constant; Core ML's own values have few more than 5


def decode_constant(
    proto: MIL_pb2.Value, weights: WeightFiles, place: str, depth: int = 0
) -> Constant:
    """Decode a constant.

    Args:
        proto: the constant.
        weights: the weight files of the package.
        place: the constant's place in the program, for messages.
        depth: the number of lists that the constant is nested in.

    Raises:
        ModelError: the constant does not fit its type, is too large, or is nested too deep.
    """
    if depth > MAX_DEPTH:
        raise ModelError(f"{place}: is nested more than {MAX_DEPTH} deep; {DAMAGED}")
    value_type = parse_value_type(proto.type, place)
    if proto.WhichOneof("value") == "blobFileValue":
        return _read_blob(proto.blobFileValue, value_type, weights, place)
    immediate = proto.immediateValue
    if isinstance(value_type, ListType) and immediate.WhichOneof("value") == "list":
        return [decode_constant(item, weights, place, depth + 1) for item in immediate.list.values]
    if immediate.WhichOneof("value") != "tensor":
        raise ModelError(f"{place}: has no value of its type; {DAMAGED}")
    if isinstance(value_type, StringType):
        return _decode_strings(proto, place)
    if not isinstance(value_type, TensorType):
        raise ModelError(f"{place}: a constant cannot be a {type(value_type).__name__}")
    return _decode_tensor(immediate.tensor, value_type, place)


def _read_blob(
    proto: MIL_pb2.Value.BlobFileValue, value_type: ValueType, weights: WeightFiles, place: str
) -> Tensor:
    if not isinstance(value_type, TensorType):
        raise ModelError(f"{place}: only tensors are kept in weight files; {DAMAGED}")
    shape = _constant_shape(value_type, place)
    blob = weights.open(proto.fileName)
    values = blob.read(proto.offset, value_type.dtype, _element_count(shape))
    return _to_torch(values, value_type.dtype).reshape(shape)


def _constant_shape(value_type: TensorType, place: str) -> tuple[int, ...]:
    if value_type.shape is None or None in value_type.shape:
        raise ModelError(f"{place}: a constant has the unknown shape {value_type}; {DAMAGED}")
    largest = max(*value_type.shape, _element_count(value_type.shape), 0)
    if len(value_type.shape) > _MAX_RANK or largest > _MAX_ELEMENTS:
        raise ModelError(f"{place}: a constant of {value_type} is too large; {DAMAGED}")
    return value_type.shape


def _element_count(shape: tuple[int, ...]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def _decode_strings(proto: MIL_pb2.Value, place: str) -> str | list[str]:
    values = list(proto.immediateValue.tensor.strings.values)
    if proto.type.tensorType.rank > 0:
        return values
    if len(values) != 1:
        raise ModelError(f"{place}: has {len(values)} texts, expected one; {DAMAGED}")
    return values[0]


def _decode_tensor(proto: MIL_pb2.TensorValue, value_type: TensorType, place: str) -> Tensor:
    dtype, shape = value_type.dtype, _constant_shape(value_type, place)
    field = proto.WhichOneof("value")
    if field is None or field not in _fields_of(dtype):
        raise ModelError(
            f"{place}: holds {field or 'nothing'}, expected {' or '.join(_fields_of(dtype))} for "
            f"{value_type}; {DAMAGED}"
        )
    stored = getattr(proto, field).values
    count = _element_count(shape)
    if field == "bytes":
        if len(stored) != (count * dtype.bits + 7) // 8:
            raise ModelError(f"{place}: has {len(stored)} bytes for {value_type}; {DAMAGED}")
        return _to_torch(unpack(stored, dtype, count), dtype).reshape(shape)
    if len(stored) != count:
        raise ModelError(f"{place}: has {len(stored)} elements for {value_type}; {DAMAGED}")
    try:
        values = np.array(stored, dtype.numpy)
    except (OverflowError, ValueError) as error:
        raise ModelError(f"{place}: does not fit {value_type} ({error}); {DAMAGED}") from error
    return _to_torch(values, dtype).reshape(shape)


def _fields_of(dtype: DataType) -> tuple[str, ...]:
    """Return the fields of ``TensorValue`` in which Core ML's own writer stores a type."""
    if dtype in (FP32, FP64, BOOL):
        return {FP32: ("floats",), FP64: ("doubles",), BOOL: ("bools",)}[dtype]
    if dtype == INT64:
        return ("longInts",)
    if dtype == FP16 or dtype.bits <= 8:
        return ("bytes",)
    return ("bytes", "ints", "longInts") if dtype == UINT32 else ("ints", "bytes")


def _to_torch(values: np.ndarray, dtype: DataType) -> Tensor:
    if dtype.torch.itemsize > values.dtype.itemsize:  # torch holds unsigned types in wider ones
        values = values.astype(np.int64 if dtype.torch == torch.int64 else np.int32)
    return torch.from_numpy(values)
