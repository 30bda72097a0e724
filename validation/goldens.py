"""Read the goldens of an artefact: photos, prompts, and what the reference answered."""

import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from converters.artifact_layout import GOLDENS_SCHEMA
from converters.samples import SampleCase
from reference.errors import ArtifactError
from reference.images import read_image
from reference.mask_decoder import NUM_MASKS
from validation.artifact import Artifact
from validation.cases import Answer


@dataclass(frozen=True)
class GoldenPhoto:
    """A photo of the goldens, still on disk, with its cases and the reference's answers."""

    name: str
    path: Path
    cases: tuple[SampleCase, ...]
    answers: tuple[Answer, ...]

    def read(self) -> np.ndarray:
        """uint8 (H, W, 3) pixels; ImageError if it is not a photo."""
        return read_image(self.path)


def load_goldens(artifact: Artifact) -> list[GoldenPhoto]:
    """The goldens of an artefact, photo by photo.

    Raises:
        ArtifactError: they are damaged, of another schema, or name a file that is not listed.
    """
    try:
        document = json.loads(artifact.goldens.read_bytes())
        if document["schema"] != GOLDENS_SCHEMA:
            raise ValueError(f"its schema is {document['schema']!r}")
        return [_golden_photo(artifact, document, name) for name in document["photos"]]
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise ArtifactError(
            f"{artifact.goldens}: damaged ({type(error).__name__}: {error}): expected goldens of "
            f"schema {GOLDENS_SCHEMA}; convert again"
        ) from error


def _golden_photo(artifact: Artifact, document: dict, name: str) -> GoldenPhoto:
    folder = artifact.goldens.parent
    records = [record for record in document["cases"] if record["photo"] == name]
    cases = tuple(map(_case, records))
    for index, case in enumerate(cases):
        earlier = {other.name for other in cases[:index]}
        if case.name in earlier or (case.mask_from and case.mask_from not in earlier):
            raise ValueError(f"case {case.name!r} is there twice, or before its mask prompt")
    return GoldenPhoto(
        name=name,
        path=artifact.require_file(folder / document["photos"][name]["file"]),
        cases=cases,
        answers=tuple(_answer(artifact, record) for record in records),
    )


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
