"""Masks of COCO annotations, from polygons or run lengths, none of which is trusted."""

import numpy as np
from pycocotools import mask as coco

from reference.errors import MobileSAMError
from reference.masks import decode_rle, encode_rle
from reference.plain_text import quote

MIN_NUMBERS = 6  # of a polygon: three vertices. pycocotools takes four numbers for a box.
FAR = 1e9  # pixels; NaN, infinities and integers too large for a float are not nearer


def segmentation_rle(segmentation: object, size: tuple[int, int]) -> dict:
    """The mask of an annotation as compressed COCO RLE.

    Args:
        segmentation: a list of polygons [x1, y1, x2, y2, …] in pixels, or an RLE whose counts are
            compressed (a string) or not (a list).
        size: the photo's (height, width).

    Raises:
        MobileSAMError: it is none of these, does not fit the photo, or has no pixel.
    """
    if not segmentation:
        raise MobileSAMError("has no mask: expected polygons or an RLE as its 'segmentation'")
    if isinstance(segmentation, list):
        rle = _from_polygons(segmentation, size)
    elif isinstance(segmentation, dict):
        rle = _from_run_lengths(segmentation, size)
    else:
        raise MobileSAMError(
            f"has a 'segmentation' of type {type(segmentation).__name__}: expected a list of polygons "
            "or an RLE"
        )
    if not coco.area(rle):
        raise MobileSAMError("has a mask without a pixel: expected at least one; remove it")
    return rle


def _from_polygons(polygons: list, size: tuple[int, int]) -> dict:
    height, width = size
    for polygon in polygons:
        if not _is_polygon(polygon):
            raise MobileSAMError(
                f"has the polygon {quote(polygon)}: expected x and y of at least three vertices, in "
                "pixels"
            )
        # pycocotools walks along every edge, pixel by pixel, and does not mind how long it is.
        for numbers, side in ((polygon[::2], width), (polygon[1::2], height)):
            if min(numbers) < -side or max(numbers) > 2 * side:
                raise MobileSAMError(
                    f"has a polygon from {min(numbers):g} to {max(numbers):g} in a photo of "
                    f"{width}×{height} pixels: expected pixels of that photo"
                )
    rle = coco.merge(coco.frPyObjects(polygons, height, width))
    return {"size": [height, width], "counts": rle["counts"].decode("ascii")}


def _is_polygon(values: object) -> bool:
    return (
        isinstance(values, list)
        and len(values) >= MIN_NUMBERS
        and len(values) % 2 == 0
        and all(isinstance(value, int | float) and abs(value) < FAR for value in values)
    )


def _from_run_lengths(rle: dict, size: tuple[int, int]) -> dict:
    height, width = size
    if rle.get("size") != [height, width]:
        raise MobileSAMError(
            f"has a mask of size {quote(rle.get('size'))}: expected the photo's [height, width] = "
            f"{[height, width]}"
        )
    counts = rle.get("counts")
    if not isinstance(counts, list):
        decode_rle(rle)  # which refuses what pycocotools would crash on
        return {"size": [height, width], "counts": counts}
    if not all(type(run) is int and run >= 0 for run in counts) or sum(counts) != height * width:
        raise MobileSAMError(
            f"has an RLE whose counts are not run lengths that add up to {height * width}"
        )
    values = np.arange(len(counts)) % 2 == 1
    return encode_rle(np.repeat(values, counts).reshape(width, height).T)
