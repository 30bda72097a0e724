"""Limits the size of results whose shape comes from an operator's parameters.

A single number of a damaged program can ask for terabytes. Operators that make a shape from parameters
(``fill``, ``tile``, ``pad``, ``range_1d``, ``one_hot``, upsampling …) check it here first.
"""

import math
from collections.abc import Sequence

from validation.mil_runtime.errors import OperationError

# 1 GiB in float32. That is enough for the attention of the largest Segment Anything model on its 64×64
# grid, and many times the largest tensor of a model for phones.
MAX_ELEMENTS = 1 << 28


def checked_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """Check ``shape`` and return it.

    Raises:
        OperationError: a size is negative, or there are more than ``MAX_ELEMENTS`` elements.
    """
    shape = tuple(int(size) for size in shape)
    if any(size < 0 for size in shape):
        raise OperationError(f"asks for the shape {list(shape)}: expected no negative size")
    if math.prod(shape) > MAX_ELEMENTS:
        raise OperationError(
            f"asks for the shape {list(shape)}: expected at most {MAX_ELEMENTS} elements"
        )
    return shape


def checked_count(count: int) -> int:
    """Check the number of elements of one axis, as ``checked_shape`` does, and return it."""
    return checked_shape([count])[0]
