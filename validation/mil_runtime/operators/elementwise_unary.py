"""Operators on each element of one tensor.

Semantics: coremltools' ``ops/defs/iOS15/elementwise_unary.py`` and its successors.
"""

import numpy as np
import torch
from torch import Tensor

from validation.mil_runtime.errors import OperationError
from validation.mil_runtime.model.value_types import BOOL, DATA_TYPES, DataType
from validation.mil_runtime.registry import Context, operator

# torch's kernels for these round float16 once, as if computed in float32. That was checked for all
# 65536 numbers.
_WITH_HALF_KERNEL = {
    "abs": torch.abs,
    "ceil": torch.ceil,
    "cos": torch.cos,
    "exp": torch.exp,
    "floor": torch.floor,
    "round": torch.round,  # halves to even
    "sign": torch.sign,
    "sqrt": torch.sqrt,
    "square": torch.square,
    "tanh": torch.tanh,
}
_WIDENED = {
    "acos": torch.acos,
    "asin": torch.asin,
    "atan": torch.atan,
    "atanh": torch.atanh,
    "cosh": torch.cosh,
    "erf": torch.erf,
    "logical_not": torch.logical_not,
    "sin": torch.sin,
    "sinh": torch.sinh,
    "tan": torch.tan,
}


def _of_one_tensor(function):
    def compute(x: Tensor) -> Tensor:
        return function(x)

    return compute


for _kind, _function in _WITH_HALF_KERNEL.items():
    operator(_kind, half_kernel=True)(_of_one_tensor(_function))
for _kind, _function in _WIDENED.items():
    operator(_kind)(_of_one_tensor(_function))


@operator("exp2")
def exp2(x: Tensor) -> Tensor:
    if x.is_floating_point():
        return x.exp2()
    return x.double().exp2().to(torch.int64)  # 2⁻¹ and below become 0


@operator("identity", moves_data=True)
def identity(x: Tensor) -> Tensor:
    return x


@operator("clip", half_kernel=True)
def clip(x: Tensor, alpha: float, beta: float) -> Tensor:
    return x.clamp(alpha, beta)


@operator("log")
def log(x: Tensor, epsilon: float = 1e-45) -> Tensor:
    return (x + epsilon).log()


@operator("rsqrt")
def rsqrt(x: Tensor, epsilon: float = 1e-12) -> Tensor:
    return (x + epsilon).rsqrt()


@operator("inverse")
def inverse(x: Tensor, epsilon: float = 1e-4) -> Tensor:
    return (x + epsilon).reciprocal()


@operator("threshold")
def threshold(x: Tensor, alpha: Tensor) -> Tensor:
    return torch.maximum(x, alpha)


@operator("cast", moves_data=True)
def cast(x: Tensor, dtype: str, context: Context) -> Tensor:
    if dtype not in DATA_TYPES:
        raise OperationError(f"dtype '{dtype}': expected one of {', '.join(DATA_TYPES)}")
    declared = context.declared().dtype
    if declared.name != dtype:
        raise OperationError(f"dtype '{dtype}': the output is declared as {declared.name}")
    return to_data_type(x, context)


def to_data_type(x: Tensor, context: Context) -> Tensor:
    """Convert ``x`` to the type that the operation declares.

    An integer loses the bits that a narrower type does not have. A floating-point number is rounded
    toward zero and clamped to the range of the type, and NaN becomes 0. C does not define the last two
    cases; here they are as on Arm processors.
    """
    declared = context.declared().dtype
    if declared.is_float or declared == BOOL:
        return x.to(context.held_in())
    integers = _saturate(x, declared) if x.is_floating_point() else _wrap(x, declared)
    return integers.to(context.held_in())


def _saturate(x: Tensor, dtype: DataType) -> Tensor:
    bounds = np.iinfo(dtype.numpy)
    limited = x.double().nan_to_num(nan=0.0).clamp(bounds.min, bounds.max)
    return limited.to(torch.int64)


def _wrap(x: Tensor, dtype: DataType) -> Tensor:
    # The mask is for unsigned types, which a wider type may hold. Conversion to a signed type drops bits itself.
    return x if dtype.signed else x.to(torch.int64) & ((1 << dtype.bits) - 1)
