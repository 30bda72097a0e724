"""The pictures of a case in a report, scaled down to the size of a screen."""

import numpy as np
from PIL import Image
from torch import Tensor

from reference.photos.preprocessing import resized_size
from validation.comparison.results import CasePictures

LONGEST_SIDE = 640  # pixels of a picture in a report


def picture_size(photo_size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) at which a report shows a photo of (height, width); a small photo is not enlarged."""
    if max(photo_size) <= LONGEST_SIDE:
        return photo_size
    return resized_size(*photo_size, LONGEST_SIDE)


def shrink_photo(pixels: np.ndarray) -> np.ndarray:
    """Scale a photo, uint8 (H, W, 3), to ``picture_size``, (h, w, 3)."""
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
    """Draw the pictures of one case.

    Args:
        photo: the photo that ``shrink_photo`` gives, uint8 (h, w, 3); it is not copied.
        reference_mask: a mask of the reference, boolean (H, W).
        artifact_mask: the mask of the artifact that is compared with it, boolean (H, W).
        logit_difference: difference of the logits of one mask, (S/4, S/4).
        photo_size: (H, W) in pixels.
        frame_size: side S of the frame in pixels.
    """
    height, width = resized_size(*photo_size, frame_size)
    step = frame_size // logit_difference.shape[-1]
    rows, columns = -(-height // step), -(-width // step)  # rounded up
    return CasePictures(
        photo,
        _shrink_mask(reference_mask),
        _shrink_mask(artifact_mask),
        logit_difference[:rows, :columns].abs().float().numpy(),
        int(np.count_nonzero(reference_mask)),
        int(np.count_nonzero(artifact_mask)),
    )


def _shrink_mask(mask: np.ndarray) -> np.ndarray:
    height, width = picture_size(mask.shape)
    return np.asarray(Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST))
