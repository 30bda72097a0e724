"""Masks as data: COCO run-length encoding, and a mask's record in a JSON document."""

import operator

import numpy as np
from pycocotools import mask as coco

from reference.errors import MobileSAMError


def encode_rle(mask: np.ndarray) -> dict:
    """Boolean (H, W) → compressed COCO RLE, ``{"size": [H, W], "counts": str}``, fit for JSON."""
    rle = coco.encode(np.asfortranarray(mask, np.uint8))
    return {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode("ascii")}


def decode_rle(rle: dict) -> np.ndarray:
    """Compressed COCO RLE → boolean (H, W).

    Not pycocotools' decoder: that one reads beyond its buffers if the runs do not fill the mask,
    and crashes the process on a size that does not fit in memory.

    Raises:
        MobileSAMError: not an RLE, or one whose runs do not add up to its size.
    """
    try:
        height, width = (operator.index(side) for side in rle["size"])
        runs = _run_lengths(rle["counts"].encode("ascii"))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError):
        raise MobileSAMError(
            "not a mask: expected compressed COCO RLE, {'size': [H, W], 'counts': '…'}"
        ) from None
    if min(runs, default=0) < 0 or sum(runs) != height * width:
        raise MobileSAMError(
            f"a mask of {height}×{width} pixels whose runs add up to {sum(runs)}: expected "
            f"{height * width}; the RLE is damaged"
        )
    values = np.arange(len(runs)) % 2 == 1  # runs alternate, and the first one is of background
    return np.repeat(values, runs).reshape(width, height).T  # COCO runs down the columns


def _run_lengths(counts: bytes) -> list[int]:
    """The numbers in a COCO ``counts`` string (rleFrString in cocoapi's maskApi.c).

    Each is written in characters of 6 bits, offset by 48: 5 bits of the number, the lowest first,
    below one that says whether more follow. The highest bit of a number is its sign. From the
    fourth number on they are differences to the one two back.
    """
    runs, position = [], 0
    while position < len(counts):
        number = shift = 0
        more = True
        while more:
            character = counts[position] - 48
            if not 0 <= character < 64:
                raise ValueError(f"character {counts[position]} in an RLE")
            number |= (character & 0x1F) << shift
            shift, position, more = shift + 5, position + 1, bool(character & 0x20)
        if character & 0x10:
            number -= 1 << shift
        runs.append(number + runs[-2] if len(runs) > 2 else number)
    return runs


def mask_box(mask: np.ndarray) -> list[int]:
    """[x, y, width, height] around a boolean (H, W) mask, in pixels; zeros for an empty mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return [0, 0, 0, 0]
    x, y = int(columns[0]), int(rows[0])
    return [x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1]


def mask_record(mask: np.ndarray, score: float) -> dict:
    """A boolean (H, W) mask and its predicted IoU as an entry of a JSON document's ``masks``.

    ``bbox`` is [x, y, width, height]; ``area`` counts the pixels of the mask.
    """
    return {
        "segmentation": encode_rle(mask),
        "score": float(score),
        "bbox": mask_box(mask),
        "area": int(np.count_nonzero(mask)),
    }
