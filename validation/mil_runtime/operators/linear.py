"""Products of matrices.

Semantics: coremltools' ``ops/defs/iOS15/linear.py`` and ``iOS17/linear.py``.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from validation.mil_runtime.errors import OperationError
from validation.mil_runtime.registry import Context, operator

# The only equations that the operator allows. The letters may be others.
_EQUATIONS = ("nchw,nwhu->nchu", "chw,whr->chr")


@operator("linear")
def linear(x: Tensor, weight: Tensor, context: Context, bias: Tensor | None = None) -> Tensor:
    bias = None if bias is None else _as_result(bias, context)
    return F.linear(_as_result(x, context), _as_result(weight, context), bias)


@operator("matmul")
def matmul(
    x: Tensor, y: Tensor, context: Context, transpose_x: bool = False, transpose_y: bool = False
) -> Tensor:
    x, y = _as_result(x, context), _as_result(y, context)
    return torch.matmul(_transposed(x, transpose_x), _transposed(y, transpose_y))


@operator("einsum")
def einsum(values: list[Tensor], equation: str) -> Tensor:
    if _renamed(equation) not in {_renamed(known) for known in _EQUATIONS}:
        raise OperationError(
            f"equation '{equation}': expected {' or '.join(_EQUATIONS)}, in any letters"
        )
    x, y = values
    if x.shape[-1] != y.shape[-3]:  # torch would broadcast a size of 1
        raise OperationError(
            f"shapes {list(x.shape)} and {list(y.shape)}: expected the last dimension of the first "
            "to be the third last of the second"
        )
    return torch.einsum(equation, x, y)


def _as_result(x: Tensor, context: Context) -> Tensor:
    """Convert ``x`` to the type of the declared result, since a constant may have another type.

    An integer result of floating-point factors is refused, because its rounding is not documented.
    """
    if context.declared().dtype.is_float:
        return x.to(context.numerics.compute)
    if x.is_floating_point() and not torch.equal(x, x.round()):
        raise OperationError(
            f"declares {context.declared()}, but multiplies floating-point numbers"
        )
    return x.to(context.held_in())


def _transposed(x: Tensor, wanted: bool) -> Tensor:
    return x.mT if wanted and x.dim() > 1 else x


def _renamed(equation: str) -> str:
    """Rename the letters of an equation in the order in which they first occur."""
    letters = dict.fromkeys(filter(str.isalpha, equation))
    return equation.translate({ord(letter): str(i) for i, letter in enumerate(letters)})
