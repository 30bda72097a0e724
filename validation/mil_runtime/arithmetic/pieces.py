"""Piece by piece: widening, arithmetic and rounding within the processor's cache.

A large float16 tensor that is widened as a whole, computed with, and rounded as a whole goes through memory
several times; in pieces it does so once. On 16 million elements an exact GELU takes a quarter of the time.
"""

from collections.abc import Callable

import torch
from torch import Tensor

PIECE = 1 << 17  # elements: in float32 half a megabyte, a part of a core's second-level cache


def in_pieces(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """``function``, of each element by itself, in float32 of a float16 ``x``.

    The result is float16, rounded once.
    """
    if not x.is_contiguous() or x.numel() <= PIECE:
        return function(x.float()).half()
    result = torch.empty_like(x)
    pieces = zip(x.view(-1).split(PIECE), result.view(-1).split(PIECE), strict=True)
    for piece, place in pieces:
        place.copy_(function(piece.float()))
    return result


def rows_in_pieces(function: Callable[[Tensor], Tensor], x: Tensor, width: int) -> Tensor:
    """``function`` of the rows (N, K) → (N, width) of a float16 ``x`` (…, K), in float32.

    The result (…, width) is float16, rounded once.
    """
    rows = x.reshape(-1, x.shape[-1])  # (…, K) → (N, K)
    result = torch.empty(len(rows), width, dtype=x.dtype)
    step = max(1, PIECE // max(x.shape[-1], width))
    for piece, place in zip(rows.split(step), result.split(step), strict=True):
        place.copy_(function(piece.float()))
    return result.reshape(*x.shape[:-1], width)
