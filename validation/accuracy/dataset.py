"""A user's own photos and true masks: a folder in COCO's format.

DIR/annotations.json  {"images": [{"id": 1, "file_name": "dog.jpg", "width": 640, "height": 427}],
                       "annotations": [{"id": 1, "image_id": 1, "iscrowd": 0,
                                        "segmentation": [[x1, y1, x2, y2, …]]}]}
DIR/dog.jpg           or DIR/images/dog.jpg
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reference.command_line import progress
from reference.errors import MobileSAMError
from reference.images import read_image
from reference.masks import decode_rle
from validation.accuracy.annotations import segmentation_rle
from validation.accuracy.samples import Instance, Sample
from validation.strict_json import Source
from validation.untrusted_paths import is_inside

ANNOTATIONS_FILE = "annotations.json"
IMAGES_FOLDER = "images"
_MOST_BYTES = 1 << 30  # of annotations; those of COCO's 118,000 photos have half of it
_FIX = "write it as docs/accuracy.md says"
_Id = int | str


class DatasetError(MobileSAMError):
    """A folder of photos and true masks that is not in COCO's format, or not whole."""


@dataclass(frozen=True)
class _Photo:
    """A checked photo: its file, and the masks of its annotations as compressed RLE."""

    name: str
    path: Path
    masks: Mapping[_Id, dict]


class Dataset(Sequence[Sample]):
    """The photos that have annotations; each is read when it is asked for."""

    def __init__(self, photos: Sequence[_Photo]) -> None:
        """For ``read_dataset``."""
        self._photos = photos

    def __len__(self) -> int:
        return len(self._photos)

    def __getitem__(self, index: int) -> Sample:
        photo = self._photos[index]
        instances = (
            Instance(f"annotation {number}", np.ascontiguousarray(decode_rle(rle)))
            for number, rle in photo.masks.items()
        )
        return Sample(photo.name, read_image(photo.path), tuple(instances))


def read_dataset(folder: Path) -> Dataset:
    """Read and check a folder of photos with their annotations; crowds (``iscrowd``) are left out.

    Boxes and areas in the file are not read: the masks say them.

    Raises:
        DatasetError: the annotations are missing or not as COCO has them, a photo is missing, lies
            outside the folder or has another size, or an annotation has no mask or photo.
        ImageError: a photo cannot be read.
    """
    path = folder / ANNOTATIONS_FILE
    document = _read(path)
    annotations = _by_image(path, _records(path, document, "annotations"))
    photos = []
    images = _records(path, document, "images")
    known = set()
    for place, image in progress(images, description="reading photos", unit="photo"):
        identity = _identity(path, place, image, "id")
        if identity in known:
            raise DatasetError(f"{path}: {place}: the id {identity!r} again: expected its own")
        known.add(identity)
        if identity in annotations:
            photos.append(_photo(path, place, image, annotations.pop(identity)))
    for missing, records in annotations.items():
        raise DatasetError(
            f"{path}: {records[0][0]}: 'image_id' is {missing!r}: expected the id of one of 'images'"
        )
    if not photos:
        raise DatasetError(f"{path}: has no annotation with a mask: expected at least one")
    return Dataset(photos)


def _read(path: Path) -> dict:
    source = Source(str(path), "annotations in COCO's format", _FIX, DatasetError)
    document = source.read(path, _MOST_BYTES)
    if not isinstance(document, dict):
        raise DatasetError(f"{path}: expected an object with 'images' and 'annotations'")
    return document


def _records(path: Path, document: dict, key: str) -> list[tuple[str, dict]]:
    """The entries of a list, each with its place in the file for error messages."""
    records = document.get(key)
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise DatasetError(f"{path}: '{key}' is not a list of objects, as COCO has it")
    return [(f"{key}[{index}]", record) for index, record in enumerate(records)]


def _by_image(path: Path, records: Sequence[tuple[str, dict]]) -> dict[_Id, list]:
    """Image id → its annotations with their places, without crowds."""
    grouped = defaultdict(list)
    for place, record in records:
        if not record.get("iscrowd"):
            grouped[_identity(path, place, record, "image_id")].append((place, record))
    return dict(grouped)


def _identity(path: Path, place: str, record: dict, key: str) -> _Id:
    value = record.get(key)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise DatasetError(f"{path}: {place}: '{key}' is {value!r}: expected a number")
    return value


def _photo(path: Path, place: str, image: dict, records: Sequence[tuple[str, dict]]) -> _Photo:
    """An image with its annotations, checked."""
    name = image.get("file_name")
    file = _find(path, place, name)
    height, width = size = read_image(file).shape[:2]
    stated = image.get("width"), image.get("height")
    if stated != (width, height):
        raise DatasetError(
            f"{path}: {place}: '{name}' has {width}×{height} pixels: expected the 'width' and "
            f"'height' of the file, not {stated[0]}×{stated[1]}"
        )
    masks = {}
    for where, record in records:
        identity = _identity(path, where, record, "id")
        if identity in masks:
            raise DatasetError(f"{path}: {where}: the id {identity!r} again: expected its own")
        try:
            masks[identity] = segmentation_rle(record.get("segmentation"), size)
        except MobileSAMError as error:
            raise DatasetError(f"{path}: {where} (id {identity}): {error}") from None
    return _Photo(name, file, masks)


def _find(path: Path, place: str, name: object) -> Path:
    """The file of an image, in the dataset's folder or its folder of images."""
    if not isinstance(name, str) or not name:
        raise DatasetError(f"{path}: {place}: 'file_name' is {name!r}: expected a photo's")
    folder = path.parent
    for candidate in (folder / name, folder / IMAGES_FOLDER / name):
        if not is_inside(candidate, folder):
            raise DatasetError(
                f"{path}: {place}: 'file_name' is {name!r}: expected a file below {folder}"
            )
        if candidate.is_file():
            return candidate
    raise DatasetError(
        f"{path}: {place}: '{name}' is neither in {folder} nor in {folder / IMAGES_FOLDER}: expected "
        "the photo there"
    )
