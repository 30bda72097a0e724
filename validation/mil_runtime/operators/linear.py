"""Products of matrices.

Semantics: coremltools' ``ops/defs/iOS15/linear.py`` and ``iOS17/linear.py``.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from validation.mil_runtime.arithmetic.memory import empty
from validation.mil_runtime.arithmetic.pieces import PIECE, rows_in_pieces, slices
from validation.mil_runtime.errors import OperationError
from validation.mil_runtime.registry import Context, operator

# The only equations that the operator allows. The letters may be others.
_EQUATIONS = ("nchw,nwhu->nchu", "chw,whr->chr")


@operator("linear", half_kernel=True)
def linear(x: Tensor, weight: Tensor, context: Context, bias: Tensor | None = None) -> Tensor:
    weight = _as_result(weight, context)
    bias = None if bias is None else _as_result(bias, context)
    if _is_held(x, context) and x.is_contiguous():
        return rows_in_pieces(lambda rows: F.linear(rows, weight, bias), x, len(weight))
    return F.linear(_as_result(x, context), weight, bias)


@operator("matmul", half_kernel=True)
def matmul(
    x: Tensor, y: Tensor, context: Context, transpose_x: bool = False, transpose_y: bool = False
) -> Tensor:
    def multiply(x: Tensor, y: Tensor) -> Tensor:
        x, y = _as_result(x, context), _as_result(y, context)
        return torch.matmul(_transposed(x, transpose_x), _transposed(y, transpose_y))

    if x.dim() < 3 or x.shape[:-2] != y.shape[:-2] or not _is_held(x, context):
        return multiply(x, y)
    rows, columns = x.shape[-1 if transpose_x else -2], y.shape[-2 if transpose_y else -1]
    result = empty((*x.shape[:-2], rows, columns), x.dtype)
    largest = max(item.numel() for item in (x, y, result))
    for some in slices(len(x), max(1, PIECE * len(x) // max(largest, 1))):
        result[some] = multiply(x[some], y[some])
    return result


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


def _is_held(x: Tensor, context: Context) -> bool:
    """Return whether ``x`` is floating-point and has the type that holds the result."""
    return x.is_floating_point() and x.dtype == context.held_in()


def _transposed(x: Tensor, wanted: bool) -> Tensor:
    return x.mT if wanted and x.dim() > 1 else x


def _renamed(equation: str) -> str:
    """Rename the letters of an equation in the order in which they first occur."""
    letters = dict.fromkeys(filter(str.isalpha, equation))
    return equation.translate({ord(letter): str(i) for i, letter in enumerate(letters)})
