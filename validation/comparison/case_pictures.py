"""What a report shows of a case, scaled down to a screen."""

import numpy as np
from PIL import Image
from torch import Tensor

from reference.photos.preprocessing import resized_size
from validation.comparison.results import CasePictures

LONGEST_SIDE = 640  # pixels of a picture


def picture_size(photo_size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) at which a photo of (height, width) is shown; a small one is not enlarged."""
    if max(photo_size) <= LONGEST_SIDE:
        return photo_size
    return resized_size(*photo_size, LONGEST_SIDE)


def shrink_photo(pixels: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) → (h, w, 3), of ``picture_size``."""
    height, width = picture_size(pixels.shape[:2])
    return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BILINEAR))


def draw_case(
    photo: np.ndarray,
    reference_mask: np.ndarray,
    artifact_mask: np.ndarray,
    logit_difference: Tensor,
    photo_size: tuple[int, int],
    frame_size: int,
) -> CasePictures:
    """Pictures of one case.

    Args:
        photo: uint8 (h, w, 3), what ``shrink_photo`` gives; kept as it is.
        reference_mask: boolean (H, W).
        artifact_mask: boolean (H, W).
        logit_difference: (S/4, S/4), of one mask.
        photo_size: (H, W).
        frame_size: S.
    """
    height, width = resized_size(*photo_size, frame_size)
    step = frame_size // logit_difference.shape[-1]
    rows, columns = -(-height // step), -(-width // step)  # rounded up
    return CasePictures(
        photo,
        _shrink_mask(reference_mask),
        _shrink_mask(artifact_mask),
        logit_difference[:rows, :columns].abs().float().numpy(),
    )


def _shrink_mask(mask: np.ndarray) -> np.ndarray:
    height, width = picture_size(mask.shape)
    return np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST))
