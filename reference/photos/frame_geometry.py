"""Where a photo and its points lie in the square frame of the model. The module imports no torch."""

import math

import numpy as np


def resized_size(height: int, width: int, frame_size: int) -> tuple[int, int]:
    """Return the (height, width) of a photo inside the frame.

    The longest side becomes ``frame_size``. The other side is rounded half up and is at least 1.
    """
    scale = frame_size / max(height, width)
    return max(1, math.floor(height * scale + 0.5)), max(1, math.floor(width * scale + 0.5))


def frame_scale(photo_size: tuple[int, int], frame_size: int) -> np.ndarray:
    """Return how many pixels of the frame one pixel of a photo of (height, width) covers: float64 (2,), x and y."""
    height, width = photo_size
    frame_height, frame_width = resized_size(height, width, frame_size)
    return np.array([frame_width / width, frame_height / height])


def points_to_frame(points: np.ndarray, photo_size: tuple[int, int], frame_size: int) -> np.ndarray:
    """Convert points (…, 2), x and y in pixels of a photo of (height, width), to float32 pixels of the frame."""
    scale = frame_scale(photo_size, frame_size)
    return (np.asarray(points, np.float64) * scale).astype(np.float32)
