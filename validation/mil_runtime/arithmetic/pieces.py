"""Computes large tensors piece by piece, so that each piece stays in the processor's cache.

Widening, computing and rounding a whole large float16 tensor moves it through memory several times, and the
system has to find new memory for each float32 copy. Computing it in pieces moves it only once: a depthwise
convolution of 16 million elements takes a fifth of the time.

Pieces do not change a bit of a result. The same kernel adds the same terms in the same order, because no
piece has another memory layout than the whole, and none is so small that torch would choose another kernel.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from validation.mil_runtime.arithmetic.memory import empty

PIECE = 1 << 17  # elements; half a megabyte in float32, which fits into a second-level cache
# Rows of a matrix product. Kernels may add in another order if there are only a few.
_FEWEST_ROWS = 128


def widened(x: Tensor) -> Tensor:
    """Return a float16 tensor in float32, and any other as it is."""
    return x.float() if x.dtype == torch.float16 else x


def slices(count: int, step: int) -> Iterator[slice]:
    """Divide ``count`` positions into slices of ``step``. A short rest joins the slice before it."""
    starts = range(0, count - step // 2, step) or [0]
    return map(slice, starts, [*starts[1:], count])


def rows_of(width: int) -> int:
    """Return how many rows of ``width`` elements make a piece of a matrix product."""
    return max(PIECE // max(width, 1), _FEWEST_ROWS)


def elementwise(write: Callable[[Tensor, Tensor], object], x: Tensor, piece: int = PIECE) -> Tensor:
    """Compute an elementwise function of ``x``, a piece of its memory at a time.

    Args:
        write: takes a piece of ``x``, and a piece of the result to write.
        x: the tensor.
        piece: the number of elements of a piece.

    Returns:
        A tensor of the type and the memory layout of ``x``.
    """
    strides = torch.empty_like(x, device="meta").stride()
    if x.stride() != strides:  # x has gaps
        x = torch.empty_like(x).copy_(x)
    result = empty((x.numel(),), x.dtype).as_strided(x.shape, strides)
    for part, place in zip(_flat(x).split(piece), _flat(result).split(piece), strict=True):
        write(part, place)
    return result


def _flat(dense: Tensor) -> Tensor:
    """Return the elements of a tensor without gaps, in the order in which memory has them."""
    return dense.as_strided((dense.numel(),), (1,))


def rows_in_pieces(function: Callable[[Tensor], Tensor], x: Tensor, width: int) -> Tensor:
    """Apply a ``function`` of rows, (N, K) → (N, width), to ``x`` (…, K). Float16 is computed in float32.

    The result (…, width) has the type of ``x``, and is rounded once.
    """
    rows = x.reshape(-1, x.shape[-1])  # (…, K) → (N, K)
    result = empty((len(rows), width), x.dtype)
    for piece in slices(len(rows), rows_of(max(x.shape[-1], width))):
        result[piece] = function(widened(rows[piece]))
    return result.reshape(*x.shape[:-1], width)
