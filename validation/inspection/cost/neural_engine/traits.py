"""Traits of operations that influence where Core ML runs them; the ``rules`` say how."""

from collections.abc import Callable, Iterable

from torch import Tensor

from validation.inspection.cost.mil_operation import TypedOperation, sizes
from validation.mil_runtime.model.program_structure import Reference
from validation.mil_runtime.model.value_types import FP32, FP64, DataType

Trait = Callable[[TypedOperation], bool]

MAX_RANK = 5
MAX_SPATIAL = 16384  # width or height, in elements
MAX_CHANNELS = 65536
MAX_KERNEL_WIDTH = 13
MAX_ARGMAX_AXIS = 2048
AXIS_ALIGNMENT = 64  # bytes to which the last axis is padded
_NATIVE_RANK = 4
_FLOAT16_BYTES = 2

_CONVOLUTIONS = ("conv", "conv_transpose")
_CHANNELS_FIRST = ("linear", "matmul", "layer_norm", "softmax")


def is_one_of(*kinds: str) -> Trait:
    """The trait of being one of these operators."""
    return lambda operation: operation.kind in kinds


def gives(*dtypes: DataType) -> Trait:
    """The trait of having an output of one of these types."""
    return lambda operation: any(output.dtype in dtypes for output in operation.outputs)


def computes_float32(operation: TypedOperation) -> bool:
    """Whether the operation outputs float32 or float64 and is not only a cast."""
    return operation.kind != "cast" and gives(FP32, FP64)(operation)


def exceeds_axes(operation: TypedOperation) -> bool:
    """Whether an output is too wide or too high, or has too many channels."""
    return any(
        any(size > MAX_SPATIAL for size in shape[-2:])
        or any(c > MAX_CHANNELS for c in shape[-3:-2])
        for shape in _shapes(operation)
    )


def _shapes(operation: TypedOperation) -> Iterable[tuple[int, ...]]:
    return map(sizes, operation.outputs)


def is_dilated(operation: TypedOperation) -> bool:
    """Whether the operation is a convolution with gaps in its kernel."""
    dilations = operation.constant("dilations")
    return operation.kind in _CONVOLUTIONS and isinstance(dilations, Tensor) and dilations.max() > 1


def has_wide_kernel(operation: TypedOperation) -> bool:
    """Whether the operation is a convolution whose kernel is too wide or too high for the engine."""
    kernel = operation.shape("weight")[2:]
    return operation.kind in _CONVOLUTIONS and any(size > MAX_KERNEL_WIDTH for size in kernel)


def has_computed_kernel(operation: TypedOperation) -> bool:
    """Whether the operation is a convolution whose kernel is not a constant."""
    weight = operation.bound("weight")
    is_computed = isinstance(weight, Reference) and weight.name in operation.computed
    return operation.kind in _CONVOLUTIONS and is_computed


def convolves_volumes(operation: TypedOperation) -> bool:
    """Whether the operation is a convolution along three axes."""
    return operation.kind in _CONVOLUTIONS and len(operation.shape("weight")) == 5


def searches_long_axis(operation: TypedOperation) -> bool:
    """Whether the operation searches for the index of the extreme along an axis that is too long."""
    if operation.kind not in ("reduce_argmax", "reduce_argmin"):
        return False
    axis = operation.constant("axis")
    return operation.shape("x")[-1 if axis is None else int(axis)] > MAX_ARGMAX_AXIS


def has_other_layout(operation: TypedOperation) -> bool:
    """Whether the operation computes along channels on a tensor that does not have four axes."""
    return operation.kind in (*_CHANNELS_FIRST, *_CONVOLUTIONS) and any(
        len(shape) != _NATIVE_RANK for shape in _shapes(operation)
    )


def has_short_last_axis(operation: TypedOperation) -> bool:
    """Whether an output takes at least twice its size once its last axis is padded."""
    return any(
        len(shape) > 1 and shape[-1] * _FLOAT16_BYTES <= AXIS_ALIGNMENT // 2
        for shape in _shapes(operation)
    )


def exceeds_rank(operation: TypedOperation) -> bool:
    """Whether an output has too many axes."""
    return any(len(shape) > MAX_RANK for shape in _shapes(operation))
