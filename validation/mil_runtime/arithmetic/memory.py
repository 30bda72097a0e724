"""Memory for large results, which one prediction uses again and again.

The system fills new memory with zeros, page by page, when it is first written. For a large tensor that takes
about as long as to compute its elements.
"""

import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod

import numpy as np
import torch
from torch import Tensor

_LARGE = 1 << 20  # bytes; the allocator itself keeps smaller memory

# Attribute ``free``: the buffers that no tensor uses, while a prediction runs.
_local = threading.local()


@contextmanager
def reused_memory() -> Iterator[None]:
    """Until the end of the block, let ``empty`` use the memory of tensors that it made and that are gone."""
    outer = getattr(_local, "free", None)
    _local.free = []
    try:
        yield
    finally:
        _local.free = outer


def empty(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Return a contiguous tensor of any values."""
    size = prod(shape) * dtype.itemsize
    free: list[np.ndarray] | None = getattr(_local, "free", None)
    if free is None or size < _LARGE:
        return torch.empty(shape, dtype=dtype)
    buffer = _take(free, size)
    # torch keeps ``lease`` as long as any view of the tensor exists.
    lease = buffer[:size]
    weakref.finalize(lease, free.append, buffer)
    return torch.from_numpy(lease).view(dtype).view(shape)


def _take(free: list[np.ndarray], size: int) -> np.ndarray:
    """Return the smallest free buffer of at least ``size`` bytes that is not twice as large, or a new one."""
    fitting = [item for item in free if size <= item.size <= 2 * size]
    if not fitting:
        return torch.empty(size, dtype=torch.uint8).numpy()
    best = min(fitting, key=lambda item: item.size)
    free[:] = [item for item in free if item is not best]
    return best
