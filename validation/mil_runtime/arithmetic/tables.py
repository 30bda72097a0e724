"""Looks up functions of one float16 number, of which there are only 65536."""

from collections.abc import Callable

import torch
from torch import Tensor

from validation.mil_runtime.arithmetic.pieces import elementwise

_NUMBERS = 1 << 16
# From this number of elements on, a table is worth its making.
_FEWEST = 1 << 16
# Elements whose indices and results fit into a second-level cache beside the table.
_PIECE = 1 << 15


class Table:
    """The results of an elementwise function for every float16 number."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        """Prepare a ``function`` that takes float32 numbers. Its results are rounded to float16."""
        self._function = function
        self._results: Tensor | None = None

    def look_up(self, x: Tensor) -> Tensor:
        """Return the function of each number of a float16 ``x``."""
        if x.numel() < _FEWEST:
            return self._function(x.float()).half()
        if self._results is None:
            # In the order of the bits as signed integers, which torch widens faster than unsigned ones.
            bits = torch.arange(-_NUMBERS // 2, _NUMBERS // 2).to(torch.int16)
            self._results = self._function(bits.view(torch.float16).float()).half()
        return elementwise(self._look_up_piece, x, _PIECE)

    def _look_up_piece(self, x: Tensor, result: Tensor) -> None:
        indices = x.view(torch.int16).to(torch.int32).add_(_NUMBERS // 2)
        torch.index_select(self._results, 0, indices, out=result)
