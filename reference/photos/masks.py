"""COCO run-length encoding (RLE) of masks, and the record of a mask in a JSON document."""

import numpy as np
from pycocotools import mask as coco

from reference.common.errors import MobileSAMError
from reference.common.plain_text import quote

MOST_PIXELS = 1 << 28  # largest mask that is read; photos have at most 179 million pixels
# Most characters of one number in a compressed RLE. At 5 bits each they hold MOST_PIXELS and a sign.
MOST_DIGITS = 6
_NO_RLE = "not a mask: expected COCO RLE, {'size': [H, W], 'counts': '…'}"


def encode_rle(mask: np.ndarray) -> dict:
    """Encode a boolean (H, W) mask as compressed COCO RLE for JSON: ``{"size": [H, W], "counts": str}``."""
    rle = coco.encode(np.asfortranarray(mask, np.uint8))
    return {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode("ascii")}


def decode_rle(rle: object, size: tuple[int, int] | None = None) -> np.ndarray:
    """Decode COCO RLE, compressed or not and from an untrusted source, to a boolean (H, W) mask.

    pycocotools' decoder is not used. It reads beyond its buffers if the runs do not fill the mask, and it crashes the
    process on a size that does not fit in memory. Here time and memory are proportional to the number of runs and the
    size, and both are limited first.

    Args:
        rle: ``{"size": [H, W], "counts": …}``, where the counts are a string or a list of numbers.
        size: the (height, width) that the mask must have, such as that of the photo, or None for any size.

    Raises:
        MobileSAMError: the value is not an RLE, has another size or more pixels than any photo, or has runs that do
            not add up to its size.
    """
    height, width = _rle_size(rle, size)
    runs = _runs(rle.get("counts"), height * width)
    total = int(runs.sum())
    if runs.min(initial=0) < 0 or total != height * width:
        raise MobileSAMError(
            f"a mask of {height}×{width} pixels whose runs add up to {total}: expected "
            f"{height * width}; the RLE is damaged"
        )
    values = np.arange(len(runs)) % 2 == 1  # runs alternate, and the first one is background
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
    """Return the lengths of the runs, int64. There can be at most one run more than pixels."""
    if not isinstance(counts, str | list):
        raise MobileSAMError(_NO_RLE)
    try:
        if isinstance(counts, list):
            _check_length(len(counts), pixels)
            return _listed_runs(counts, pixels)
        _check_length(-(-len(counts) // MOST_DIGITS), pixels)
        return _compressed_runs(counts, pixels)
    except ValueError:  # also UnicodeEncodeError, for a character that COCO does not use
        raise MobileSAMError(_NO_RLE) from None


def _check_length(runs: int, pixels: int) -> None:
    if runs > pixels + 1:
        raise MobileSAMError(
            f"an RLE with more runs than a mask of {pixels} pixels can have; the RLE is damaged"
        )


def _listed_runs(counts: list, pixels: int) -> np.ndarray:
    try:
        numbers = np.asarray(counts, np.float64)  # exact, since no run is longer than the mask
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
    """Return the numbers in a COCO ``counts`` string (rleFrString in cocoapi's maskApi.c).

    A number is written in characters of 6 bits, offset by 48. Each character holds 5 bits of the number, lowest bits
    first, and above them a bit that says whether more characters follow. The highest bit of a number is its sign.
    From the fourth number on, each is stored as its difference from the number two places before.

    Raises:
        ValueError: a character is invalid, or a number has more than ``MOST_DIGITS`` characters.
    """
    # Characters below "0" wrap around to 64 and more.
    digits = np.frombuffer(counts.encode("ascii"), np.uint8) - np.uint8(48)
    last = np.flatnonzero((digits & 0x20) == 0)  # index of the last character of each number
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
    """Return the box around a boolean (H, W) mask, [x, y, width, height] in pixels; zeros for an empty mask."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return [0, 0, 0, 0]
    x, y = int(columns[0]), int(rows[0])
    return [x, y, int(columns[-1]) - x + 1, int(rows[-1]) - y + 1]


def mask_record(mask: np.ndarray, score: float) -> dict:
    """Return the entry of a boolean (H, W) mask and its predicted IoU in the ``masks`` of a JSON document.

    ``bbox`` is [x, y, width, height] in pixels, and ``area`` is the number of pixels of the mask.
    """
    return {
        "segmentation": encode_rle(mask),
        "score": float(score),
        "bbox": mask_box(mask),
        "area": int(np.count_nonzero(mask)),
    }
