"""Messages through a pipe, without pickle: a JSON header, then the float32 tensors whose shapes it lists.

The other side is not trusted, so everything that is read is bounded.
"""

import json
import math
from collections.abc import Iterable
from multiprocessing.connection import Connection

import numpy as np

_HEADER_BYTES = 1 << 16
_TENSOR_BYTES = 1 << 28  # a full-size frame has 12 MB
_TENSORS = 8  # most tensors of a message; a request to a decoder has five
_DIMENSIONS = 8  # most dimensions of a tensor
_FLOAT32 = np.dtype("<f4")


def send(connection: Connection, header: dict, arrays: Iterable[np.ndarray] = ()) -> None:
    """Send a header, which JSON can represent, and arrays, which are converted to float32."""
    arrays = [np.ascontiguousarray(array, _FLOAT32) for array in arrays]
    shapes = [list(array.shape) for array in arrays]
    connection.send_bytes(json.dumps({**header, "shapes": shapes}).encode())
    for array in arrays:
        connection.send_bytes(array.reshape(-1).view(np.uint8).data)


def receive(connection: Connection) -> tuple[dict, list[np.ndarray]]:
    """Receive the header and the arrays of one message.

    Raises:
        EOFError, ConnectionError: the other side is gone.
        OSError, ValueError, RecursionError: the other side sent something that is not a message.
    """
    header = json.loads(connection.recv_bytes(_HEADER_BYTES))
    shapes = header.pop("shapes", None) if isinstance(header, dict) else None
    if not isinstance(shapes, list) or len(shapes) > _TENSORS:
        raise ValueError("a header without shapes")
    return header, [_receive_array(connection, shape) for shape in shapes]


def _receive_array(connection: Connection, shape: object) -> np.ndarray:
    sizes = shape if isinstance(shape, list) and len(shape) <= _DIMENSIONS else [None]
    if not all(type(size) is int and 0 <= size <= _TENSOR_BYTES for size in sizes):
        raise ValueError("a list that is not a shape")
    expected = math.prod(sizes) * _FLOAT32.itemsize
    if expected > _TENSOR_BYTES:
        raise ValueError(f"a tensor of {expected} bytes")
    data = connection.recv_bytes(_TENSOR_BYTES)
    if len(data) != expected:
        raise ValueError(f"{len(data)} bytes for a tensor of {expected}")
    return np.frombuffer(data, _FLOAT32).reshape(sizes).astype(np.float32)  # a writable copy
