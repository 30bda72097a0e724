"""A user's own prompts: a JSON file of photos, what to ask about each, and true masks where known.

{"schema": "mobile-sam-export/prompts/1",
 "photos": [{"image": "photos/dog.jpg",
             "cases": [{"name": "dog", "points": [[320, 200]], "labels": [1],
                        "truth": {"size": [427, 640], "counts": "…"}},
                       {"name": "refined", "box": [10, 20, 300, 400], "mask_from": "dog"}]}]}
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from converters.samples import SampleCase
from reference.errors import MobileSAMError, PromptError
from reference.images import read_image
from reference.mask_decoder import NUM_MASKS
from reference.masks import decode_rle
from reference.prompts import normalize_prompts
from validation.cases import PHOTO, Question

SCHEMA = "mobile-sam-export/prompts/1"
_CASE_KEYS = {"name", "points", "labels", "box", "mask_from", "mask_index", "truth"}


def read_prompts(path: Path) -> list[Question]:
    """The questions of a prompts file, photo by photo.

    Images are named relative to the file, and lie in its folder or below.

    Raises:
        PromptError: the file or an entry of it is not as expected, or a prompt does not fit.
        ImageError: a photo cannot be read.
    """
    document = _read(path)
    photos = _entry(path, "photos", document.get("photos"), list)
    if not photos:
        raise PromptError(f"{path}: 'photos' is empty: expected at least one photo with its cases")
    return [_question(path, f"photos[{index}]", record) for index, record in enumerate(photos)]


def _read(path: Path) -> dict:
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise PromptError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (ValueError, RecursionError) as error:
        raise PromptError(f"{path}: is not valid JSON ({error})") from None
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != SCHEMA:
        raise PromptError(f"{path}: 'schema' is {schema!r}: expected '{SCHEMA}'")
    return document


def _question(path: Path, place: str, record: object) -> Question:
    record = _entry(path, place, record, dict)
    image = _entry(path, f"{place}.image", record.get("image"), str)
    photo = path.parent / image
    if not photo.resolve().is_relative_to(path.parent.resolve()):
        raise PromptError(f"{path}: '{place}.image' is {image!r}: expected a file below its folder")
    pixels = read_image(photo)
    records = _entry(path, f"{place}.cases", record.get("cases"), list)
    cases: dict[str, SampleCase] = {}
    truths: dict[str, np.ndarray] = {}
    for index, item in enumerate(records):
        where = f"{place}.cases[{index}]"
        item = _entry(path, where, item, dict)
        case = _case(path, where, item, str(photo), pixels.shape[:2], tuple(cases))
        cases[case.name] = case
        if "truth" in item:
            truths[case.name] = _truth(path, f"{where}.truth", item["truth"], pixels.shape[:2])
    return Question(PHOTO, str(photo), lambda: pixels, tuple(cases.values()), truths)


def _case(
    path: Path,
    where: str,
    record: dict,
    photo: str,
    photo_size: tuple[int, int],
    earlier: tuple[str, ...],
) -> SampleCase:
    if unknown := record.keys() - _CASE_KEYS:
        raise PromptError(
            f"{path}: '{where}' has {', '.join(map(repr, sorted(unknown)))}: expected only "
            f"{', '.join(sorted(_CASE_KEYS))}"
        )
    name = _entry(path, f"{where}.name", record.get("name"), str)
    if name in earlier:
        raise PromptError(f"{path}: '{where}.name' is {name!r} again: expected a name of its own")
    mask_from, mask_index = record.get("mask_from"), record.get("mask_index", 1)
    if mask_from is not None and mask_from not in earlier:
        raise PromptError(
            f"{path}: '{where}.mask_from' is {mask_from!r}: expected an earlier case of this photo "
            f"({', '.join(earlier) or 'there is none'})"
        )
    if mask_index not in range(NUM_MASKS):
        raise PromptError(f"{path}: '{where}.mask_index' is {mask_index!r}: expected 0 to 3")
    points, box = record.get("points") or [], record.get("box")
    if not points and box is None:
        raise PromptError(f"{path}: '{where}' asks nothing: expected 'points', a 'box' or both")
    (prompt,) = _checked(
        f"{path}: '{where}'",
        lambda: normalize_prompts(
            points=[points] if points else None,
            labels=[record.get("labels", [1] * len(points))] if points else None,
            bboxes=None if box is None else [box],
            image_size=photo_size,
        ),
    )
    return SampleCase(
        name,
        photo,
        tuple((float(x), float(y)) for x, y in prompt.point_coords),
        tuple(map(int, prompt.point_labels)),
        None if prompt.box is None else tuple(map(float, prompt.box)),
        mask_from,
        mask_index,
    )


def _truth(path: Path, where: str, rle: object, photo_size: tuple[int, int]) -> np.ndarray:
    mask = _checked(f"{path}: '{where}'", lambda: decode_rle(rle))
    if mask.shape != photo_size:
        raise PromptError(
            f"{path}: '{where}' is a mask of {mask.shape}: expected the photo's {photo_size}"
        )
    return mask


def _checked(place: str, make: Callable) -> object:
    """What ``make`` gives; its complaint as a PromptError that says where."""
    try:
        return make()
    except MobileSAMError as error:
        raise PromptError(f"{place}: {error}") from error


def _entry(path: Path, place: str, value: object, kind: type) -> object:
    if not isinstance(value, kind):
        names = {dict: "an object", list: "a list", str: "a string"}
        raise PromptError(f"{path}: '{place}' is {str(value)[:60]!r}: expected {names[kind]}")
    return value
