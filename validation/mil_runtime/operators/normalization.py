"""Normalizations.

Semantics: coremltools' ``ops/defs/iOS15/normalization.py`` and ``iOS17/normalization.py``.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from validation.mil_runtime.arithmetic.pieces import rows_in_pieces, widened
from validation.mil_runtime.errors import OperationError
from validation.mil_runtime.registry import operator


@operator("batch_norm")
def batch_norm(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    epsilon: float = 1e-5,
) -> Tensor:
    return F.batch_norm(x, mean, variance, gamma, beta, eps=epsilon)


@operator("instance_norm")
def instance_norm(
    x: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None, epsilon: float = 1e-5
) -> Tensor:
    # Every channel is one group. F.instance_norm would refuse channels with a single element.
    return torch.group_norm(x, x.shape[1], gamma, beta, epsilon)


@operator("l2_norm")
def l2_norm(x: Tensor, epsilon: float = 1e-6) -> Tensor:
    if x.dim() < 3:
        raise OperationError(f"x has rank {x.dim()}: expected 3 or more")
    return x / (x.square().sum((-3, -2, -1), keepdim=True) + epsilon).sqrt()


@operator("layer_norm", half_kernel=True)
def layer_norm(
    x: Tensor,
    axes: list[int] | None = None,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
    epsilon: float = 1e-5,
) -> Tensor:
    axes = _normalized_axes(axes, x.dim())
    last = list(range(x.dim() - len(axes), x.dim()))
    moved = x if axes == last else x.movedim(axes, last)
    shape = moved.shape[moved.dim() - len(axes) :]
    if len(axes) == 1:
        result = rows_in_pieces(
            lambda rows: F.layer_norm(rows, shape, gamma, beta, epsilon), moved, shape[0]
        )
    else:
        result = F.layer_norm(widened(moved), shape, gamma, beta, epsilon)
    return result if axes == last else result.movedim(last, axes)


@operator("local_response_norm")
def local_response_norm(
    x: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Tensor:
    return F.local_response_norm(x, size, alpha, beta, k)


def _normalized_axes(axes: list[int] | None, rank: int) -> list[int]:
    """Return axes counted from the front, in ascending order, as gamma and beta have them."""
    if axes is None:
        return list(range(rank))
    if not axes or any(not -rank <= axis < rank for axis in axes):
        raise OperationError(f"axes {axes}: expected one or more from {-rank} to {rank - 1}")
    return sorted({axis % rank for axis in axes})
