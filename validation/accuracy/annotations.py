"""Reads masks of COCO annotations, from polygons or run lengths. Every value is checked."""

from dataclasses import dataclass

import numpy as np
from pycocotools import mask as coco

from reference.common.errors import MobileSAMError
from reference.common.plain_text import quote
from reference.photos.masks import decode_rle, encode_rle
from validation.accuracy.loose_numbers import whole_number

MIN_VERTICES = 3  # per polygon; pycocotools takes two vertices for the corners of a box
MOST_POLYGONS = 10_000  # per object, because pycocotools merges them one by one
# Pixels along the polygons of one object, because pycocotools walks along them five times.
MOST_OUTLINE = 2_000_000


class NoMaskError(MobileSAMError):
    """An annotation has no mask to measure. The message says why, in words that follow "annotations"."""


@dataclass(frozen=True)
class AnnotationMask:
    """The mask of an annotation.

    Attributes:
        rle: the compressed COCO RLE, in the photo's size and with at least one pixel.
        left_out: the number of its polygons with fewer than three vertices, which have no area.
    """

    rle: dict
    left_out: int = 0


def read_mask(segmentation: object, size: tuple[int, int]) -> AnnotationMask:
    """Read the mask of an annotation.

    Args:
        segmentation: a list of polygons, a single polygon, or an RLE. A polygon is [x1, y1, x2, y2, …] or
            [[x1, y1], [x2, y2], …] in pixels. The counts of an RLE are a list, or a string if they are
            compressed. Numbers may be written as text.
        size: the photo's (height, width).

    Raises:
        NoMaskError: the annotation has no mask, or its mask has no area.
        MobileSAMError: ``segmentation`` has another form, or does not fit the photo.
    """
    if segmentation is None or segmentation == [] or segmentation == {}:
        raise NoMaskError("without a mask (a box alone)")
    if isinstance(segmentation, list):
        mask = _from_polygons(_polygons(segmentation), size)
    elif isinstance(segmentation, dict):
        mask = AnnotationMask(_from_run_lengths(segmentation, size))
    else:
        raise MobileSAMError(
            f"has the 'segmentation' {quote(segmentation)}: expected a list of polygons or an RLE"
        )
    if not coco.area(mask.rle):
        raise NoMaskError("with a mask of less than a pixel")
    return mask


def _polygons(segmentation: list) -> list:
    """Return a segmentation's polygons. Some tools write a single polygon without the list around it."""
    if not any(isinstance(item, list) for item in segmentation):
        return [segmentation]
    polygons = [segmentation] if _is_of_pairs(segmentation) else segmentation
    return [
        [number for vertex in polygon for number in vertex] if _is_of_pairs(polygon) else polygon
        for polygon in polygons
    ]


def _is_of_pairs(polygon: object) -> bool:
    """Return whether a polygon is written as [[x, y], …]."""
    return (
        isinstance(polygon, list)
        and len(polygon) >= MIN_VERTICES
        and all(isinstance(vertex, list) and len(vertex) == 2 for vertex in polygon)
    )


def _from_polygons(polygons: list, size: tuple[int, int]) -> AnnotationMask:
    height, width = size
    if len(polygons) > MOST_POLYGONS:
        raise MobileSAMError(f"has {len(polygons)} polygons: expected at most {MOST_POLYGONS}")
    vertices = [_vertices(polygon) for polygon in polygons]
    areas = [polygon for polygon in vertices if len(polygon) >= MIN_VERTICES]
    if not areas:
        raise NoMaskError("whose polygons all have fewer than three vertices")
    for polygon in areas:
        _check_extent(polygon, width, height)
    outline = sum(_outline(polygon) for polygon in areas)
    if outline > MOST_OUTLINE:
        raise MobileSAMError(
            f"has an outline of {outline:,.0f} pixels: expected at most {MOST_OUTLINE:,}"
        )
    rle = coco.merge(coco.frPyObjects([polygon.ravel().tolist() for polygon in areas], *size))
    rle = {"size": [height, width], "counts": rle["counts"].decode("ascii")}
    return AnnotationMask(rle, len(vertices) - len(areas))


def _vertices(polygon: object) -> np.ndarray:
    """Read a polygon as a float64 (N, 2) array of finite x, y in pixels."""
    problem = MobileSAMError(
        f"has the polygon {quote(polygon)}: expected x and y of at least three vertices, in pixels"
    )
    if not isinstance(polygon, list) or any(isinstance(value, bool) for value in polygon):
        raise problem
    try:
        numbers = np.array([float(value) for value in polygon], np.float64)
    except (TypeError, ValueError, OverflowError):
        raise problem from None
    if numbers.size % 2 or not np.isfinite(numbers).all():
        raise problem
    return numbers.reshape(-1, 2)


def _check_extent(polygon: np.ndarray, width: int, height: int) -> None:
    """Refuse a polygon that cannot belong to this photo. It may extend beyond the photo by one side."""
    for numbers, side in zip(polygon.T, (width, height), strict=True):
        if numbers.min() < -side or numbers.max() > 2 * side:
            raise MobileSAMError(
                f"has a polygon from {numbers.min():g} to {numbers.max():g} in a photo of "
                f"{width}×{height} pixels: expected coordinates in that photo"
            )


def _outline(polygon: np.ndarray) -> float:
    """Return the number of pixels along a polygon's edges."""
    return float(np.abs(polygon - np.roll(polygon, 1, axis=0)).max(axis=1).sum())


def _from_run_lengths(rle: dict, size: tuple[int, int]) -> dict:
    given = rle.get("size")
    sides = [whole_number(side) for side in given] if isinstance(given, list) else given
    counts = rle.get("counts")
    if isinstance(counts, list):
        numbers = (whole_number(run) if isinstance(run, str) else run for run in counts)
        counts = [
            run if number is None else number for run, number in zip(counts, numbers, strict=True)
        ]
    try:
        return encode_rle(decode_rle({"size": sides, "counts": counts}, size))
    except MobileSAMError as error:
        raise MobileSAMError(f"has {error}") from None
