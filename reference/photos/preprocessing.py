"""Converting a photo to the square frame of the model, and masks back to the photo.

The photo is resized so that its longest side fills the frame, placed at the top left, and padded with the mean color.
The padding is zero after normalization. The sample apps implement the same arithmetic. Source: Segment Anything's
``ResizeLongestSide``, ``Sam.preprocess`` and ``Sam.postprocess_masks``.
"""

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from reference.photos.frame_geometry import frame_scale, points_to_frame, resized_size

__all__ = [
    "frame_scale",
    "masks_to_photo",
    "photo_to_frame",
    "points_to_frame",
    "resize_photo",
    "resized_size",
    "threshold_masks",
]


def resize_photo(photo: np.ndarray, frame_size: int) -> np.ndarray:
    """Resize a uint8 (H, W, 3) photo to its size in the frame, with bilinear antialiased resampling in 8 bits."""
    height, width = resized_size(*photo.shape[:2], frame_size)
    if photo.shape[:2] == (height, width):
        return photo
    return np.asarray(Image.fromarray(photo).resize((width, height), Image.Resampling.BILINEAR))


def photo_to_frame(photo: np.ndarray, frame_size: int, padding: np.ndarray) -> np.ndarray:
    """Resize and pad a photo to a (1, 3, S, S) frame with values in 0…255.

    Args:
        photo: RGB pixels, uint8 (H, W, 3).
        frame_size: S, the side of the frame in pixels.
        padding: (3,) RGB color of the area right of the photo and below it. The frame has its dtype.
    """
    resized = resize_photo(photo, frame_size)
    frame = np.empty((frame_size, frame_size, 3), padding.dtype)
    frame[:] = padding
    frame[: resized.shape[0], : resized.shape[1]] = resized
    return np.ascontiguousarray(frame.transpose(2, 0, 1)[None])


def masks_to_photo(
    low_res_logits: Tensor,
    photo_size: tuple[int, int],
    frame_size: int,
    input_size: tuple[int, int] | None = None,
) -> Tensor:
    """Resize mask logits (B, C, S/4, S/4) to logits (B, C, H, W) at the size of the photo.

    ``input_size`` is the (height, width) of the photo in the frame, if the caller resized it.
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
    """Convert mask logits (B, C, S/4, S/4) to boolean masks (B, C, H, W) at the size of the photo.

    Masks are made one at a time, because the logits of several masks at the size of a large photo fill the memory.
    """
    batch, channels = low_res_logits.shape[:2]
    shape = batch, channels, *photo_size
    masks = torch.empty(shape, dtype=torch.bool, device=low_res_logits.device)
    for b in range(batch):
        for c in range(channels):
            one = low_res_logits[b, c][None, None]
            masks[b, c] = masks_to_photo(one, photo_size, frame_size, input_size)[0, 0] > 0
    return masks
