"""Masks as data: COCO run-length encoding, and a mask's record in a JSON document."""

import numpy as np
from pycocotools import mask as coco

from reference.common.errors import MobileSAMError
from reference.common.plain_text import quote

MOST_PIXELS = 1 << 28  # of a mask; photos have 179 million at most
MOST_DIGITS = 6  # of a number in compressed RLE, 5 bits each: enough for MOST_PIXELS and a sign
_NO_RLE = "not a mask: expected COCO RLE, {'size': [H, W], 'counts': '…'}"


def encode_rle(mask: np.ndarray) -> dict:
    """Boolean (H, W) → compressed COCO RLE, ``{"size": [H, W], "counts": str}``, fit for JSON."""
    rle = coco.encode(np.asfortranarray(mask, np.uint8))
    return {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode("ascii")}


def decode_rle(rle: object, size: tuple[int, int] | None = None) -> np.ndarray:
    """COCO RLE, compressed or not, from anywhere → boolean (H, W).

    Not pycocotools' decoder: that one reads beyond its buffers if the runs do not fill the mask,
    and crashes the process on a size that does not fit in memory. What it takes is in proportion to the
    runs and the size, both of which are limited before they are looked at.

    Args:
        rle: ``{"size": [H, W], "counts": …}``, the counts a string or a list of numbers.
        size: the (height, width) that it has to have, such as the photo's; None if it may have any.

    Raises:
        MobileSAMError: not an RLE, one of another size or of more pixels than any photo has, or one whose
            runs do not add up to its size.
    """
    height, width = _rle_size(rle, size)
    runs = _runs(rle.get("counts"), height * width)
    total = int(runs.sum())
    if runs.min(initial=0) < 0 or total != height * width:
        raise MobileSAMError(
            f"a mask of {height}×{width} pixels whose runs add up to {total}: expected "
            f"{height * width}; the RLE is damaged"
        )
    values = np.arange(len(runs)) % 2 == 1  # runs alternate, and the first one is of background
    return np.repeat(values, runs).reshape(width, height).T  # COCO runs down the columns


def _rle_size(rle: object, expected: tuple[int, int] | None) -> tuple[int, int]:
    size = rle.get("size") if isinstance(rle, dict) else None
    if (
        not isinstance(size, list | tuple)
        or len(size) != 2
        or any(isinstance(side, bool) or not isinstance(side, int) for side in size)
    ):
        raise MobileSAMError(_NO_RLE)
    height, width = size
    if expected is not None and (height, width) != tuple(expected):
        raise MobileSAMError(
            f"a mask of size {quote(list(size))}: expected the photo's [height, width], {list(expected)}"
        )
    if min(size) < 1 or height * width > MOST_PIXELS:
        raise MobileSAMError(
            f"a mask of size {quote(list(size))}: expected [height, width], at least 1 each and at most "
            f"{MOST_PIXELS:,} pixels together"
        )
    return height, width


def _runs(counts: object, pixels: int) -> np.ndarray:
    """The lengths of an RLE's runs, int64, of which there is at most one more than pixels."""
    if not isinstance(counts, str | list):
        raise MobileSAMError(_NO_RLE)
    try:
        if isinstance(counts, list):
            _check_length(len(counts), pixels)
            return _listed_runs(counts, pixels)
        _check_length(-(-len(counts) // MOST_DIGITS), pixels)
        return _compressed_runs(counts, pixels)
    except ValueError:  # a character that is none of COCO's among them: UnicodeEncodeError is one
        raise MobileSAMError(_NO_RLE) from None


def _check_length(runs: int, pixels: int) -> None:
    if runs > pixels + 1:
        raise MobileSAMError(
            f"an RLE of more runs than the mask's {pixels} pixels have; the RLE is damaged"
        )


def _listed_runs(counts: list, pixels: int) -> np.ndarray:
    try:
        numbers = np.asarray(counts, np.float64)  # exact, since none may be larger than the mask
    except (TypeError, OverflowError) as error:
        raise ValueError from error
    if numbers.ndim != 1 or any(isinstance(run, bool | str) for run in counts):
        raise ValueError
    in_range = (numbers >= 0) & (numbers <= pixels) & (numbers == np.floor(numbers))
    if not in_range.all():
        raise MobileSAMError(
            f"an RLE with the run {quote(counts[int(np.argmin(in_range))])}: expected whole numbers of 0 to "
            f"{pixels}; the RLE is damaged"
        )
    return numbers.astype(np.int64)


def _compressed_runs(counts: str, pixels: int) -> np.ndarray:
    """The numbers in a COCO ``counts`` string (rleFrString in cocoapi's maskApi.c).

    Each is written in characters of 6 bits, offset by 48: 5 bits of the number, the lowest first,
    below one that says whether more follow. The highest bit of a number is its sign. From the
    fourth number on they are differences to the one two back.

    Raises:
        ValueError: a character is none of these, or a number has more than ``MOST_DIGITS``.
    """
    digits = np.frombuffer(counts.encode("ascii"), np.uint8) - np.uint8(
        48
    )  # others wrap to 64 and more
    last = np.flatnonzero((digits & 0x20) == 0)  # of each number
    _check_length(len(last), pixels)
    if not len(digits):
        return np.empty(0, np.int64)
    if digits.max() > 63 or not len(last) or last[-1] != len(digits) - 1:
        raise ValueError("no RLE")
    first = np.concatenate([[0], last[:-1] + 1])
    lengths = last - first + 1
    if lengths.max() > MOST_DIGITS:
        raise ValueError("no RLE")
    place = np.arange(len(digits)) - np.repeat(first, lengths)
    numbers = np.add.reduceat((digits & 0x1F).astype(np.int64) << (5 * place), first)
    numbers -= ((digits[last] & 0x10) != 0) * (1 << (5 * lengths))
    numbers[1::2] = np.cumsum(numbers[1::2])
    numbers[2::2] = np.cumsum(numbers[2::2])
    return numbers


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
