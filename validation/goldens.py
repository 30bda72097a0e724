"""Read the goldens of an artefact: photos, prompts, and what the reference answered."""

import json
import math

import numpy as np
import torch
from torch import Tensor

from converters.artifact_layout import GOLDENS_SCHEMA
from converters.io_spec import image_encoder_spec
from converters.samples import SampleCase
from reference.errors import ArtifactError
from reference.images import read_image
from reference.mask_decoder import NUM_MASKS
from validation.artifact import Artifact
from validation.cases import GOLDEN, Answer, Question, StoredAnswers


def golden_questions(artifact: Artifact) -> list[Question]:
    """The goldens of an artefact, photo by photo; photos stay on disk until they are read.

    Raises:
        ArtifactError: they are damaged, of another schema, or name a file that is not listed.
    """
    try:
        document = json.loads(artifact.goldens.read_bytes())
        if document["schema"] != GOLDENS_SCHEMA:
            raise ValueError(f"its schema is {document['schema']!r}")
        return [_question(artifact, document, name) for name in document["photos"]]
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ArtifactError(
            f"{artifact.goldens}: damaged ({type(error).__name__}: {error}): expected goldens of "
            f"schema {GOLDENS_SCHEMA}; convert again"
        ) from error


def _question(artifact: Artifact, document: dict, name: str) -> Question:
    records = [record for record in document["cases"] if record["photo"] == name]
    cases = tuple(map(_case, records))
    for index, case in enumerate(cases):
        earlier = {other.name for other in cases[:index]}
        if case.name in earlier or (case.mask_from and case.mask_from not in earlier):
            raise ValueError(f"case {case.name!r} is there twice, or before its mask prompt")
    photo = document["photos"][name]
    path = artifact.require_file(artifact.goldens.parent / photo["file"])
    stored = StoredAnswers(
        _embeddings(artifact, name, photo["image_embeddings"]),
        tuple(_answer(artifact, record) for record in records),
    )
    return Question(GOLDEN, name, lambda: read_image(path), cases, stored=stored)


def _case(record: dict) -> SampleCase:
    mask_input = record["mask_input"] or {"case": None, "index": 1}
    case = SampleCase(
        name=str(record["name"]),
        photo=str(record["photo"]),
        points=tuple((float(x), float(y)) for x, y in record["points"]),
        labels=tuple(int(label) for label in record["labels"]),
        box=tuple(float(side) for side in record["box"]) if record["box"] else None,
        mask_from=mask_input["case"],
        mask_index=int(mask_input["index"]),
    )
    well_formed = len(case.labels) == len(case.points) and len(case.box or range(4)) == 4
    if not well_formed or case.mask_index not in range(NUM_MASKS):
        raise ValueError(f"case {case.name!r} has prompts that do not fit together")
    return case


def _embeddings(artifact: Artifact, name: str, record: dict) -> Tensor:
    (output,) = image_encoder_spec(artifact.variant).outputs
    embeddings = _tensor(artifact, record)
    if tuple(embeddings.shape) != output.shape:
        raise ValueError(f"the embeddings of {name!r} have the shape {tuple(embeddings.shape)}")
    return embeddings


def _answer(artifact: Artifact, record: dict) -> Answer:
    side = artifact.variant.mask_size
    low_res_masks = _tensor(artifact, record["low_res_masks"])
    iou_predictions = torch.tensor([record["iou_predictions"]], dtype=torch.float32)
    shapes = tuple(low_res_masks.shape), tuple(iou_predictions.shape)
    if shapes != ((1, NUM_MASKS, side, side), (1, NUM_MASKS)):
        raise ValueError(f"the answer of case {record['name']!r} has shapes {shapes}")
    return Answer(low_res_masks, iou_predictions)


def _tensor(artifact: Artifact, record: dict) -> Tensor:
    """A stored tensor: little-endian float32 in C order."""
    path = artifact.require_file(artifact.goldens.parent / record["file"])
    shape = tuple(record["shape"])
    data = path.read_bytes()
    if len(data) != 4 * math.prod(shape):
        raise ValueError(f"{path.name} has {len(data)} bytes, which is not float32 {shape}")
    return torch.from_numpy(np.frombuffer(data, "<f4").astype(np.float32).reshape(shape))
