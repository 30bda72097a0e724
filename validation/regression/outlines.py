"""Masks small enough to be kept in a baseline: one line of text each."""

import re

import numpy as np
from PIL import Image

from reference.common.errors import MobileSAMError
from reference.photos.masks import decode_rle, encode_rle
from reference.photos.preprocessing import resized_size
from validation.metrics import is_blank, mask_iou

LONGEST_SIDE = 64  # pixels: a change that a person would see still shows
_FORM = re.compile(r"(\d{1,2})x(\d{1,2}) (\S+)")


def outline_of(mask: np.ndarray) -> str:
    """Boolean (H, W) → its shrunken height and width, and COCO's runs: ``48x64 …``."""
    height, width = resized_size(*mask.shape, LONGEST_SIDE)
    small = Image.fromarray(mask).resize((width, height), Image.Resampling.NEAREST)
    counts = encode_rle(np.asarray(small))["counts"]
    return f"{height}x{width} {counts}"


def read_outline(text: str) -> np.ndarray:
    """The boolean mask of a text that ``outline_of`` gave; MobileSAMError if it is none."""
    found = _FORM.fullmatch(text)
    if found is None:
        raise MobileSAMError("not a mask: expected height and width, such as 48x64, and runs")
    height, width, counts = found.groups()
    return decode_rle({"size": [int(height), int(width)], "counts": counts})


def is_blank_outline(outline: str) -> bool:
    """Whether a mask is empty, or the whole photo."""
    return is_blank(read_outline(outline))


def outline_iou(outline: str, other: str) -> float:
    """IoU in 0…1; 0 for masks of photos of different shapes."""
    mask, beside = read_outline(outline), read_outline(other)
    return mask_iou(mask, beside) if mask.shape == beside.shape else 0.0
