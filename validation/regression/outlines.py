"""Shrinks masks to one line of text each, so that a baseline can keep them."""

import re

import numpy as np
from PIL import Image

from reference.common.errors import MobileSAMError
from reference.photos.frame_geometry import resized_size
from reference.photos.masks import decode_rle, encode_rle
from validation.metrics import is_blank, mask_iou

LONGEST_SIDE = 64  # pixels; enough to keep a change that a person would see
_FORM = re.compile(r"(\d{1,2})x(\d{1,2}) (\S+)")


def outline_of(mask: np.ndarray) -> str:
    """Shrink a boolean (H, W) mask, and write its height, width and COCO run lengths: ``48x64 …``."""
    height, width = resized_size(*mask.shape, LONGEST_SIDE)
    small = Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST)
    counts = encode_rle(np.asarray(small))["counts"]
    return f"{height}x{width} {counts}"


def read_outline(text: str) -> np.ndarray:
    """Read the boolean mask from a text that ``outline_of`` returned.

    Raises:
        MobileSAMError: the text is not an outline.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise MobileSAMError(
            "not a mask: expected height and width, such as 48x64, and run lengths"
        )
    height, width, counts = found.groups()
    return decode_rle({"size": [int(height), int(width)], "counts": counts})


def is_blank_outline(outline: str) -> bool:
    """Return whether the mask is empty or covers the whole photo."""
    return is_blank(read_outline(outline))


def outline_iou(outline: str, other: str) -> float:
    """Return the IoU of two outlines in 0…1. It is 0 if their photos differ in shape."""
    mask, beside = read_outline(outline), read_outline(other)
    return mask_iou(mask, beside) if mask.shape == beside.shape else 0.0
