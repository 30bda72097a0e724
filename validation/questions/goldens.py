"""Reads the goldens of an artifact: photos, prompts and reference answers.

The list of goldens is untrusted input, so every value in it is checked.
"""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from converters.artifact_layout import GOLDENS_SCHEMA
from converters.io_spec import image_encoder_spec
from converters.samples import SampleCase
from reference.common.errors import ArtifactError
from reference.mask_choice import NUM_MASKS
from reference.photos.images import read_image
from validation.artifacts.artifact import CONVERT_AGAIN, Artifact
from validation.documents.strict_json import JsonSource, Value
from validation.questions.cases import GOLDEN, Answer, Question, StoredAnswers
from validation.questions.prompts_file import read_prompt

MOST_PHOTOS, MOST_CASES = 100, 1000
_MOST_PIXELS = 1 << 16  # largest width and height of a photo
_LARGEST_SCORE = 1e6  # far above any real score, which lies in about 0…1

# With a single case, an artifact that always gives the same answer would pass. 'convert' writes three or more.
FEWEST_CASES = FEWEST_PHOTOS = 2


def golden_questions(artifact: Artifact) -> list[Question]:
    """The goldens of an artifact, photo by photo. Pixels are not kept, but read when needed.

    Raises:
        ArtifactError: the goldens are damaged or of another schema; they name a file that the manifest
            does not list, or a wrong size of a photo; or there are fewer than two cases or two photos.
        ImageError: a photo cannot be read.
    """
    document = _read(artifact)
    photos = document.get("photos").mapping(lambda photo: photo, 1, MOST_PHOTOS)
    records = _by_name(document)
    for record in records.values():
        record.get("photo").choice(tuple(photos))
    questions = [
        _question(
            artifact,
            name,
            photo,
            {case: item for case, item in records.items() if item.get("photo").value == name},
        )
        for name, photo in photos.items()
    ]
    if len(questions) < FEWEST_PHOTOS:  # each of which has a case
        document.get("cases").refuse(
            f"{FEWEST_CASES} or more, about {FEWEST_PHOTOS} photos or more"
        )
    return questions


def golden_cases(artifact: Artifact) -> list[str]:
    """The names of an artifact's cases, in the order of its list; ArtifactError if the list is damaged."""
    return list(_by_name(_read(artifact)))


def _read(artifact: Artifact) -> Value:
    source = JsonSource(
        str(artifact.goldens), "the list of an artifact's goldens", CONVERT_AGAIN, ArtifactError
    )
    return source.document(source.read(artifact.goldens), GOLDENS_SCHEMA)


def _by_name(document: Value) -> dict[str, Value]:
    cases = document.get("cases").list(lambda case: case, MOST_CASES)
    if not cases:
        document.get("cases").refuse("at least one case")
    records: dict[str, Value] = {}
    for case in cases:
        name = case.get("name").text()
        if name in records:
            case.get("name").refuse("a name of its own")
        records[name] = case
    return records


def _question(
    artifact: Artifact, name: str, photo: Value, records: Mapping[str, Value]
) -> Question:
    if not records:
        photo.refuse("the photo of at least one case")
    size = tuple(photo.get(side).integer(1, _MOST_PIXELS) for side in ("height", "width"))
    cases: list[SampleCase] = []
    for case, record in records.items():
        cases.append(_case(case, name, record, size, [earlier.name for earlier in cases]))
        if cases[-1].slots > artifact.prompt_slots:
            record.refuse(f"at most {artifact.prompt_slots} prompt slots, of which it takes more")
    (embeddings,) = image_encoder_spec(artifact.variant).outputs
    stored = StoredAnswers(
        _tensor(artifact, photo.get("image_embeddings"), embeddings.shape),
        tuple(_answer(artifact, record) for record in records.values()),
    )
    read = partial(_read_photo, _file(artifact, photo), photo, size)
    read()  # a damaged photo is refused now, before any slow work
    return Question(GOLDEN, name, read, tuple(cases), stored=stored)


def _read_photo(path: Path, photo: Value, size: tuple[int, int]) -> np.ndarray:
    pixels = read_image(path)
    height, width = pixels.shape[:2]
    for side, stated, actual in zip(("height", "width"), size, (height, width), strict=True):
        if stated != actual:
            photo.get(side).refuse(f"the photo's size, {height}×{width} (height × width)")
    return pixels


def _case(
    name: str, photo: str, record: Value, photo_size: tuple[int, int], earlier: Sequence[str]
) -> SampleCase:
    points, labels, box = read_prompt(
        record, record.get("points"), record.get("labels"), record.get("box"), photo_size
    )
    mask_from, mask_index = None, 1
    if record.get("mask_input").value is not None:
        mask_input = record.get("mask_input").object(("case", "index"))
        mask_from = mask_input["case"].choice(earlier)
        mask_index = mask_input["index"].integer(0, NUM_MASKS - 1)
    return SampleCase(name, photo, points, labels, box, mask_from, mask_index)


def _answer(artifact: Artifact, record: Value) -> Answer:
    side = artifact.variant.mask_size
    low_res_masks = _tensor(artifact, record.get("low_res_masks"), (1, NUM_MASKS, side, side))
    scores = record.get("iou_predictions").list(
        lambda score: score.number(-_LARGEST_SCORE, _LARGEST_SCORE), NUM_MASKS
    )
    if len(scores) != NUM_MASKS:
        record.get("iou_predictions").refuse(f"{NUM_MASKS} numbers, one per mask")
    return Answer(low_res_masks, torch.tensor([scores], dtype=torch.float32))


def _tensor(artifact: Artifact, record: Value, shape: tuple[int, ...]) -> Tensor:
    """A stored tensor of ``shape``: little-endian float32 in C order."""
    if record.get("shape").value != list(shape):
        record.get("shape").refuse(str(list(shape)))
    data = _file(artifact, record).read_bytes()
    if len(data) != 4 * math.prod(shape):
        record.get("file").refuse(f"a file of {4 * math.prod(shape)} bytes, not {len(data)}")
    return torch.from_numpy(np.frombuffer(data, "<f4").astype(np.float32).reshape(shape))


def _file(artifact: Artifact, record: Value) -> Path:
    return artifact.require_file(artifact.goldens.parent / record.get("file").path())
