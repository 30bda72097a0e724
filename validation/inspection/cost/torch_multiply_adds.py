"""Multiply-adds of TorchScript operators, from the shapes of their arguments and outputs."""

import math
from collections.abc import Sequence

from torch import Tensor

TRACED_CONVOLUTION = "aten::_convolution"
_PRODUCTS = ("aten::matmul", "aten::mm", "aten::bmm", "aten::linear")
_PRODUCTS_ADDED = ("aten::addmm", "aten::baddbmm")  # the first argument is added to the product
_CONVOLUTIONS = ("aten::conv1d", "aten::conv2d", "aten::conv3d")
_TRANSPOSED = ("aten::conv_transpose1d", "aten::conv_transpose2d", "aten::conv_transpose3d")
_ANY_CONVOLUTION = (TRACED_CONVOLUTION, "aten::convolution")
_TRANSPOSED_ARGUMENT = 6  # index of the argument of these two that says whether they are transposed
_ATTENTION = "aten::scaled_dot_product_attention"
# Operators with a weight, which is always their second argument.
WITH_WEIGHT = ("aten::linear", *_CONVOLUTIONS, *_TRANSPOSED, *_ANY_CONVOLUTION)


def multiply_adds(kind: str, arguments: Sequence, outputs: Sequence[Tensor]) -> int:
    """Number of multiply-adds of a matrix product or a convolution; 0 for any other operator.

    Args:
        kind: the operator, such as "aten::linear".
        arguments: its arguments in order.
        outputs: its output tensors.
    """
    count = outputs[0].numel()
    kind = kind.removesuffix("_")  # the operators that overwrite their first argument
    if kind in _PRODUCTS:
        return count * arguments[0].shape[-1]
    if kind in _PRODUCTS_ADDED:
        return count * arguments[1].shape[-1]
    if kind in _TRANSPOSED or (kind in _ANY_CONVOLUTION and arguments[_TRANSPOSED_ARGUMENT]):
        x, weight = arguments[:2]  # weight: (C_in, C_out / groups, …)
        return x.numel() * math.prod(weight.shape[1:])
    if kind in _CONVOLUTIONS or kind in _ANY_CONVOLUTION:
        return count * math.prod(arguments[1].shape[1:])  # weight: (C_out, C_in / groups, …)
    if kind == _ATTENTION:  # (…, L, E) @ (…, E, S), then (…, L, S) @ (…, S, V)
        query, key = arguments[:2]
        return (query.numel() + count) * key.shape[-2]
    return 0
