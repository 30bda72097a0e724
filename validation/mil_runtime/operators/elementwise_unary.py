"""Operators on each element of one tensor.

Semantics: coremltools' ``ops/defs/iOS15/elementwise_unary.py`` and its successors.
"""

import torch
from torch import Tensor

from validation.mil_runtime.errors import OperationError
from validation.mil_runtime.operators.registry import Context, operator
from validation.mil_runtime.value_types import DATA_TYPES


def _register_functions() -> None:
    """Those that torch has under a name of its own, exact to the last bit of its type or nearly."""
    functions = {
        "abs": torch.abs,
        "acos": torch.acos,
        "asin": torch.asin,
        "atan": torch.atan,
        "atanh": torch.atanh,
        "ceil": torch.ceil,
        "cos": torch.cos,
        "cosh": torch.cosh,
        "erf": torch.erf,
        "exp": torch.exp,
        "exp2": torch.exp2,
        "floor": torch.floor,
        "logical_not": torch.logical_not,
        "round": torch.round,  # halves to even
        "sign": torch.sign,
        "sin": torch.sin,
        "sinh": torch.sinh,
        "sqrt": torch.sqrt,
        "square": torch.square,
        "tan": torch.tan,
        "tanh": torch.tanh,
    }
    for kind, function in functions.items():
        operator(kind)(_of_one_tensor(function))


def _of_one_tensor(function):
    def compute(x: Tensor) -> Tensor:
        return function(x)

    return compute


_register_functions()


@operator("identity", moves_data=True)
def identity(x: Tensor) -> Tensor:
    return x


@operator("clip")
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
def threshold(x: Tensor, alpha: float) -> Tensor:
    return x.clamp(min=alpha)


@operator("cast")
def cast(x: Tensor, dtype: str, context: Context) -> Tensor:
    if dtype not in DATA_TYPES:
        raise OperationError(f"dtype '{dtype}': expected one of {', '.join(DATA_TYPES)}")
    return to_data_type(x, context)


def to_data_type(x: Tensor, context: Context) -> Tensor:
    """``x`` in the type that the operation declares; towards zero where that is an integer's."""
    return x.to(context.held_in())
