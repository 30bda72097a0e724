"""Reads a user's own photos and true masks from a folder in COCO's format.

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

from reference.common.errors import MobileSAMError
from reference.common.input_files import require_possible
from reference.common.plain_text import quote
from reference.common.progress import progress
from reference.photos.images import read_image
from reference.photos.masks import decode_rle
from validation.accuracy.annotations import NoMaskError, read_mask
from validation.accuracy.findings import Findings
from validation.accuracy.loose_numbers import identity, truth, whole_number
from validation.accuracy.samples import Instance, Sample
from validation.documents.strict_json import JsonSource
from validation.documents.untrusted_paths import is_inside

ANNOTATIONS_FILE = "annotations.json"
IMAGES_FOLDER = "images"
_MOST_BYTES = 1 << 30  # the annotations of COCO's 118,000 photos have half of that
_FIX = "write it as docs/accuracy.md says"
_Id = int | str


class DatasetError(MobileSAMError):
    """A folder of photos and true masks is not in COCO's format, or is incomplete."""


@dataclass(frozen=True)
class _Photo:
    """A checked photo.

    Attributes:
        name: the name that annotations.json has for it.
        path: the path of its file.
        masks: annotation id → mask as compressed RLE.
    """

    name: str
    path: Path
    masks: Mapping[_Id, dict]


class Dataset(Sequence[Sample]):
    """The photos that have annotations. Each photo is read when it is accessed.

    Attributes:
        left_out: kind of entry → the number of entries that were left out, because they have no mask to measure.
    """

    def __init__(self, photos: Sequence[_Photo], left_out: Mapping[str, int]) -> None:
        """Hold the photos that ``read_dataset`` has checked."""
        self._photos = photos
        self.left_out = left_out

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
    """Read and check a folder of photos with their annotations.

    A number may have several forms: 7, 7.0 or "7". Crowds (``iscrowd``) are left out. Three kinds
    of entries are left out and counted: annotations without a mask or with a mask of less than a pixel,
    annotations of photos that are not listed, and polygons of fewer than three vertices. The boxes and
    areas in the file are ignored, because they follow from the masks.

    Raises:
        DatasetError: the annotations are missing or not in COCO's format; a photo is missing, damaged,
            outside the folder or of another size; or a mask does not fit its photo. The message has
            the first such entries, and their number.
    """
    path = folder / ANNOTATIONS_FILE
    document = _read(path)
    findings = Findings()
    photos = _photos(path, document, findings)
    if problems := findings.summary():
        raise DatasetError(f"{path}: {problems}")
    if not photos:
        left_out = describe_left_out(findings.left_out)
        raise DatasetError(
            f"{path}: has no annotation with a mask: expected at least one"
            + (f" ({left_out})" if left_out else "")
        )
    return Dataset(photos, findings.left_out)


def describe_left_out(left_out: Mapping[str, int]) -> str:
    """Describe ``Dataset.left_out`` in words; the result is empty if nothing was left out."""
    counts = "; ".join(f"{kind}: {count}" for kind, count in left_out.items())
    return f"left out: {counts}" if counts else ""


def _read(path: Path) -> dict:
    source = JsonSource(str(path), "annotations in COCO's format", _FIX, DatasetError)
    document = source.read(path, _MOST_BYTES)
    if not isinstance(document, dict):
        raise DatasetError(f"{path}: expected an object with 'images' and 'annotations'")
    return document


def _records(path: Path, document: dict, key: str) -> list[tuple[str, dict]]:
    """Return the entries of a list, each with its place in the file for error messages."""
    records = document.get(key)
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise DatasetError(f"{path}: '{key}' is not a list of objects: {_FIX}")
    return [(f"{key}[{index}]", record) for index, record in enumerate(records)]


def _photos(path: Path, document: dict, findings: Findings) -> list[_Photo]:
    annotations = _by_image(_records(path, document, "annotations"), findings)
    photos = []
    known: dict[_Id, dict] = {}
    images = _records(path, document, "images")
    for place, image in progress(images, description="reading photos", unit="photo"):
        number = identity(image.get("id"))
        if number is None:
            findings.problem(place, f"'id' is {quote(image.get('id'))}: expected a number")
        elif known.setdefault(number, image) != image:
            findings.problem(place, f"the id {quote(number)} occurs twice: expected unique ids")
        elif number in annotations:
            photos.append(_photo(path.parent, place, image, annotations.pop(number), findings))
    unlisted = sum(len(records) for number, records in annotations.items() if number not in known)
    findings.leave_out("annotations of photos that 'images' does not list", unlisted)
    return [photo for photo in photos if photo is not None and photo.masks]


def _by_image(records: Sequence[tuple[str, dict]], findings: Findings) -> dict[_Id, list]:
    """Return image id → its annotations with their places, without crowds."""
    grouped = defaultdict(list)
    for place, record in records:
        is_crowd, number = truth(record.get("iscrowd")), identity(record.get("image_id"))
        if is_crowd is None:
            findings.problem(place, f"'iscrowd' is {quote(record['iscrowd'])}: expected 0 or 1")
        elif is_crowd:
            continue
        elif number is None:
            findings.problem(
                place, f"'image_id' is {quote(record.get('image_id'))}: expected the id of a photo"
            )
        else:
            grouped[number].append((place, record))
    return dict(grouped)


def _photo(
    folder: Path,
    place: str,
    image: dict,
    records: Sequence[tuple[str, dict]],
    findings: Findings,
) -> _Photo | None:
    """Check an image and its annotations. Return None if the image has a problem."""
    try:
        name, file = _find(folder, image.get("file_name"))
        size = read_image(file).shape[:2]
        _check_size(name, image, size)
    except MobileSAMError as error:
        findings.problem(place, str(error))
        return None
    masks: dict[_Id, dict] = {}
    for where, record in records:
        number = identity(record.get("id"))
        number = f"at {where}" if number is None else number
        if number in masks:
            findings.problem(where, f"the id {quote(number)} occurs twice: expected unique ids")
            continue
        try:
            mask = read_mask(record.get("segmentation"), size)
        except NoMaskError as error:
            findings.leave_out(f"annotations {error}")
        except MobileSAMError as error:
            findings.problem(f"{where} (id {quote(number)})", str(error))
        else:
            findings.leave_out("polygons of fewer than three vertices", mask.left_out)
            masks[number] = mask.rle
    return _Photo(name, file, masks)


def _check_size(name: str, image: dict, size: tuple[int, int]) -> None:
    """Refuse a photo whose file has another size than the entry states. The entry may omit the size."""
    height, width = size
    stated = {"width": image.get("width"), "height": image.get("height")}
    numbers = {key: whole_number(value) for key, value in stated.items() if value is not None}
    for key, number in numbers.items():
        if number is None:
            raise DatasetError(f"'{key}' is {quote(stated[key])}: expected a number of pixels")
    given = numbers.get("width", width), numbers.get("height", height)
    if given == (width, height):
        return
    start = (
        f"{quote(name)} has {width}×{height} pixels (width × height), but the entry says "
        f"{given[0]}×{given[1]}"
    )
    if given == (height, width):
        raise DatasetError(
            f"{start}: expected the size and masks of the photo as viewers show it, after its EXIF "
            "rotation; store the photo upright, or annotate it again"
        )
    raise DatasetError(f"{start}: expected the size of the photo that was annotated")


def _find(folder: Path, name: object) -> tuple[str, Path]:
    """Find the file of an image, in the dataset's folder or in its folder of images.

    Backslashes separate folders, as on Windows, unless a file name has them.

    Returns:
        The image's name and the path of its file.
    """
    if not isinstance(name, str) or not name:
        raise DatasetError(f"'file_name' is {quote(name)}: expected the name of a photo")
    for spelling in dict.fromkeys((name, name.replace("\\", "/"))):
        for candidate in (folder / spelling, folder / IMAGES_FOLDER / spelling):
            if not is_inside(candidate, folder):
                raise DatasetError(f"'file_name' is {quote(name)}: expected a file below {folder}")
            require_possible(candidate, DatasetError)
            if candidate.is_file():
                return name, candidate
    raise DatasetError(
        f"{quote(name)} is neither in {folder} nor in {folder / IMAGES_FOLDER}: expected the photo there"
    )
