"""Photo → square frame and back: the arithmetic that the sample apps restate.

The photo is resized so that its longest side fills the frame, placed top left, and padded with the mean
color, which is zero after normalization. Source: Segment Anything's ``ResizeLongestSide``,
``Sam.preprocess`` and ``Sam.postprocess_masks``.
"""

import math

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate


def resized_size(height: int, width: int, frame_size: int) -> tuple[int, int]:
    """(height, width) of the photo inside the frame: longest side ``frame_size``, rounded half up, at least 1."""
    scale = frame_size / max(height, width)
    return max(1, math.floor(height * scale + 0.5)), max(1, math.floor(width * scale + 0.5))


def resize_photo(photo: np.ndarray, frame_size: int) -> np.ndarray:
    """Resize a uint8 (H, W, 3) photo to its size in the frame: bilinear, antialiased, in 8 bits."""
    height, width = resized_size(*photo.shape[:2], frame_size)
    if photo.shape[:2] == (height, width):
        return photo
    return np.asarray(Image.fromarray(photo).resize((width, height), Image.Resampling.BILINEAR))


def photo_to_frame(photo: np.ndarray, frame_size: int, padding: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) photo → (1, 3, S, S) frame in 0…255, of ``padding``'s dtype.

    Args:
        photo: RGB pixels.
        frame_size: S, the frame's side.
        padding: (3,) color of the area right of and below the photo.
    """
    resized = resize_photo(photo, frame_size)
    frame = np.empty((frame_size, frame_size, 3), padding.dtype)
    frame[:] = padding
    frame[: resized.shape[0], : resized.shape[1]] = resized
    return np.ascontiguousarray(frame.transpose(2, 0, 1)[None])


def frame_scale(photo_size: tuple[int, int], frame_size: int) -> np.ndarray:
    """float64 (2,): pixels of the frame for one pixel of a photo of (height, width), along x and y."""
    height, width = photo_size
    frame_height, frame_width = resized_size(height, width, frame_size)
    return np.array([frame_width / width, frame_height / height])


def points_to_frame(points: np.ndarray, photo_size: tuple[int, int], frame_size: int) -> np.ndarray:
    """(..., 2) x, y in pixels of a photo of (height, width) → float32 pixels of the frame."""
    scale = frame_scale(photo_size, frame_size)
    return (np.asarray(points, np.float64) * scale).astype(np.float32)


def masks_to_photo(
    low_res_logits: Tensor,
    photo_size: tuple[int, int],
    frame_size: int,
    input_size: tuple[int, int] | None = None,
) -> Tensor:
    """(B, C, S/4, S/4) mask logits → (B, C, H, W) logits at the photo's own size.

    ``input_size`` is the resized photo's (height, width) in the frame, if somebody else resized it.
    """
    logits = interpolate(
        low_res_logits, (frame_size, frame_size), mode="bilinear", align_corners=False
    )
    height, width = input_size or resized_size(*photo_size, frame_size)
    return interpolate(
        logits[..., :height, :width], photo_size, mode="bilinear", align_corners=False
    )


def threshold_masks(
    low_res_logits: Tensor,
    photo_size: tuple[int, int],
    frame_size: int,
    input_size: tuple[int, int] | None = None,
) -> Tensor:
    """(B, C, S/4, S/4) mask logits → boolean (B, C, H, W) masks; see ``masks_to_photo``.

    One mask at a time: logits of several at a large photo's size would fill the memory.
    """
    batch, channels = low_res_logits.shape[:2]
    shape = batch, channels, *photo_size
    masks = torch.empty(shape, dtype=torch.bool, device=low_res_logits.device)
    for b in range(batch):
        for c in range(channels):
            one = low_res_logits[b, c][None, None]
            masks[b, c] = masks_to_photo(one, photo_size, frame_size, input_size)[0, 0] > 0
    return masks
