"""How large a result may be that an operator's parameters, rather than its tensors, ask for.

A damaged program can ask for terabytes with one number. Operators that make a shape of parameters
(``fill``, ``tile``, ``pad``, ``range_1d``, ``one_hot``, upsampling …) have it checked here first.
"""

import math
from collections.abc import Sequence

from validation.mil_runtime.errors import OperationError

# 1 GiB in float32: the attention of the largest Segment Anything model on its 64×64 grid, and many
# times the largest tensor of a model that runs on a phone.
MAX_ELEMENTS = 1 << 28


def checked_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """``shape`` itself; OperationError if it has a negative size or more than ``MAX_ELEMENTS``."""
    shape = tuple(int(size) for size in shape)
    if any(size < 0 for size in shape):
        raise OperationError(f"asks for the shape {list(shape)}: expected no negative size")
    if math.prod(shape) > MAX_ELEMENTS:
        raise OperationError(
            f"asks for the shape {list(shape)}: expected at most {MAX_ELEMENTS} elements"
        )
    return shape


def checked_count(count: int) -> int:
    """``count`` elements of one axis; as for ``checked_shape``."""
    return checked_shape([count])[0]
