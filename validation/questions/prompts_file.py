"""Reads a user's own prompts: a JSON file of photos, prompts about each, and true masks where known.

{"schema": "mobile-sam-export/prompts/1",
 "photos": [{"image": "photos/dog.jpg",
             "cases": [{"name": "dog", "points": [[320, 200]], "labels": [1],
                        "truth": {"size": [427, 640], "counts": "…"}},
                       {"name": "refined", "box": [10, 20, 300, 400], "mask_from": "dog"}]}]}
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from converters.samples import SampleCase
from reference.common.errors import MobileSAMError, PromptError
from reference.common.plain_text import shorten
from reference.mask_choice import NUM_MASKS
from reference.photos.images import read_image
from reference.photos.masks import decode_rle
from reference.prompts import normalize_prompts
from validation.documents.strict_json import JsonSource, Value
from validation.documents.untrusted_paths import is_inside
from validation.questions.cases import PHOTO, Question

SCHEMA = "mobile-sam-export/prompts/1"
_CASE_OPTIONS = ("points", "labels", "box", "mask_from", "mask_index", "truth")
MOST_PHOTOS = MOST_CASES = 1000  # photos of a file, and cases of a photo
_MOST_SHOWN = 200  # characters of a list of names in a message
MOST_POINTS = 1000  # points of a case; a decoder has far fewer slots
_FIX = "write it as docs/validation.md says"

Point = tuple[float, float]
Box = tuple[float, float, float, float]


def read_prompts(path: Path) -> list[Question]:
    """The questions of a prompts file, photo by photo.

    The paths of images are relative to the file, and may not leave its folder.

    Raises:
        PromptError: the file or an entry of it is not as expected, or a prompt does not fit its photo.
        ImageError: a photo cannot be read.
    """
    source = JsonSource(str(path), "a prompts file", _FIX, PromptError)
    photos = source.document(source.read(path), SCHEMA).object(("photos",))["photos"]
    if not photos.value:
        photos.refuse("at least one photo with its cases")
    return list(photos.list(lambda photo: _question(photo, path.parent), MOST_PHOTOS))


def _question(photo: Value, folder: Path) -> Question:
    members = photo.object(("image", "cases"))
    file = folder / members["image"].path()
    if not is_inside(file, folder):
        members["image"].refuse("a file below its folder")
    pixels = read_image(file)
    cases: dict[str, SampleCase] = {}
    truths: dict[str, np.ndarray] = {}
    values = members["cases"].list(lambda value: value, MOST_CASES)
    if not values:
        members["cases"].refuse("at least one case")
    for value in values:
        record = value.object(("name",), _CASE_OPTIONS)
        case = _case(value, record, str(file), pixels.shape[:2], tuple(cases))
        cases[case.name] = case
        truth = record["truth"].optional(lambda rle: _truth(rle, pixels.shape[:2]))
        if truth is not None:
            truths[case.name] = truth
    return Question(PHOTO, str(file), lambda: read_image(file), tuple(cases.values()), truths)


def _case(
    place: Value,
    record: dict[str, Value],
    photo: str,
    photo_size: tuple[int, int],
    earlier: tuple[str, ...],
) -> SampleCase:
    name = record["name"].text()
    if name in earlier:
        record["name"].refuse("a name of its own")
    mask_from = record["mask_from"].value
    if mask_from is not None and mask_from not in earlier:
        known = shorten(", ".join(earlier), _MOST_SHOWN) or "there is none"
        record["mask_from"].refuse(f"an earlier case of this photo ({known})")
    mask_index = record["mask_index"].optional(lambda value: value.integer(0, NUM_MASKS - 1))
    prompt = read_prompt(place, record["points"], record["labels"], record["box"], photo_size)
    return SampleCase(name, photo, *prompt, mask_from, 1 if mask_index is None else mask_index)


def read_prompt(
    place: Value, points: Value, labels: Value, box: Value, photo_size: tuple[int, int]
) -> tuple[tuple[Point, ...], tuple[int, ...], Box | None]:
    """Read points, labels and box of one object from a document; each of them may be null.

    Args:
        place: the entry that contains them, for error messages.
        points: [[x, y], …] in pixels of the photo.
        labels: one for each point: 1 for the object, 0 for the background.
        box: [x1, y1, x2, y2] in pixels of the photo.
        photo_size: the photo's (height, width) in pixels.

    Returns:
        The points, the labels, and the box or None.
    """
    all_points = points.optional(lambda value: value.list(_as_written, MOST_POINTS)) or ()
    all_labels = labels.optional(lambda value: value.list(_as_written, MOST_POINTS))
    if not all_points and box.value is None:
        place.refuse("'points', a 'box' or both")
    if not all_points and not all_labels:
        all_labels = None
    (prompt,) = _checked(
        place,
        lambda: normalize_prompts(
            points=[all_points] if all_points else None,
            labels=None if all_labels is None else [all_labels],
            bboxes=None if box.value is None else [box.value],
            image_size=photo_size,
        ),
    )
    return (
        tuple((float(x), float(y)) for x, y in prompt.point_coords),
        tuple(map(int, prompt.point_labels)),
        None if prompt.box is None else tuple(map(float, prompt.box)),
    )


def _as_written(value: Value) -> object:
    """The value as it is, because ``normalize_prompts`` checks it."""
    return value.value


def _truth(rle: Value, photo_size: tuple[int, int]) -> np.ndarray:
    return _checked(rle, lambda: decode_rle(rle.value, photo_size))


def _checked(place: Value, make: Callable) -> object:
    """The result of ``make``; an error of it is raised again as one that names the place in the document."""
    try:
        return make()
    except MobileSAMError as error:
        source = place.source
        raise source.error(f"{source.name}: '{place.place}': {error}; {source.fix}") from error
