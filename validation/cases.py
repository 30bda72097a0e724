"""What is asked about which photo, and what a model answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from converters.samples import GOLDEN_PHOTOS, PHOTOS, SampleCase, load_photo
from reference.images import read_image
from reference.predictor import PromptableModel
from reference.preprocessing import photo_to_frame

BOX_SHARE = 0.5  # of each side of the photo, in the middle


@dataclass(frozen=True)
class Answer:
    """A model's answer to one prompt."""

    low_res_masks: Tensor  # float32 (1, 4, S/4, S/4), logits
    iou_predictions: Tensor  # float32 (1, 4)


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo by the name that results call it."""

    name: str
    pixels: np.ndarray  # uint8 (H, W, 3)


def read_photos(paths: Sequence[Path]) -> list[Photo]:
    """The user's own photos, named by their paths; ImageError if one cannot be read."""
    return [Photo(str(path), read_image(path)) for path in paths]


def built_in_photos() -> list[Photo]:
    """The sample photos that are not goldens: the artefact's maker did not trace with them."""
    return [Photo(name, load_photo(name)) for name in PHOTOS if name not in GOLDEN_PHOTOS]


def central_cases(photo: Photo) -> tuple[SampleCase, SampleCase]:
    """A point in the middle of a photo, and a box around its middle."""
    height, width = photo.pixels.shape[:2]
    margin = (1 - BOX_SHARE) / 2
    box = (width * margin, height * margin, width * (1 - margin), height * (1 - margin))
    return (
        SampleCase("central_point", photo.name, points=((width / 2, height / 2),), labels=(1,)),
        SampleCase("central_box", photo.name, box=box),
    )


def is_ambiguous(case: SampleCase) -> bool:
    """Whether a user is given three guesses, not one answer: a single point, and nothing else."""
    return len(case.points) == 1 and case.box is None and case.mask_from is None


def answer_cases(
    model: PromptableModel, pixels: np.ndarray, cases: Sequence[SampleCase]
) -> list[Answer]:
    """Ask a model about one photo, the whole way from its pixels.

    A case's mask prompt is the model's *own* earlier answer, as on a device.

    Args:
        model: the reference, or an artefact.
        pixels: uint8 (H, W, 3).
        cases: in an order in which every ``mask_from`` comes first.
    """
    frame = torch.from_numpy(photo_to_frame(pixels, model.frame_size, model.mean_colour))
    image_embeddings = model.encode_image(frame)
    answers: dict[str, Answer] = {}
    for case in cases:
        mask_input = None
        if case.mask_from is not None:
            earlier = answers[case.mask_from].low_res_masks
            mask_input = earlier[:, case.mask_index : case.mask_index + 1]
        points, box = case.in_frame(pixels.shape[:2], model.frame_size)
        answers[case.name] = Answer(
            *model.decode_prompts(image_embeddings, points, box, mask_input)
        )
    return [answers[case.name] for case in cases]
