"""Checks that the timed programs compute the same: compares their masks with the reference masks."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from reference.common.errors import ArtifactError
from reference.photos.images import read_image
from validation.comparison.agreement import lowest_iou
from validation.documents.verdicts import Unavailable
from validation.engines import open_first
from validation.engines.artifact_model import ArtifactModel
from validation.evidence.peers.contestants import Contestant
from validation.latency.running.inputs import WholeEngine
from validation.questions.cases import is_ambiguous
from validation.questions.pipeline import PhotoPipeline
from validation.questions.prompt_matrix import photo_question


@dataclass(frozen=True)
class Masks:
    """A program's masks for all prompts.

    Attributes:
        same_frame: all four masks of each prompt, from a frame that is the same for all programs.
        shown: the mask of each prompt that a user would see, from the photo's file.
    """

    same_frame: list[list[np.ndarray]]
    shown: list[np.ndarray]


@dataclass(frozen=True)
class PeerAgreement:
    """The lowest IoU with the reference masks, of the masks from the same frame and of the shown masks."""

    same_frame: float
    shown: float


def masks_of(contestant: Contestant, image: Path) -> Masks:
    """Return a program's masks for a point and a box in the middle of a photo.

    Raises:
        ArtifactError: the program cannot be run, or its output has a NaN or an infinity.
    """
    artifact = contestant.artifact
    engine = open_first(artifact, contestant.openers)
    if isinstance(engine, Unavailable):
        raise ArtifactError(f"{contestant.name}: NOT RUN: {engine.reason}")
    pipeline = PhotoPipeline(ArtifactModel(engine, artifact), artifact.mask_threshold)
    pixels = read_image(image)
    size = pixels.shape[:2]
    image_embeddings = pipeline.encode(pipeline.preprocess(pixels))
    same_frame, shown = [], []
    for case in photo_question(image, artifact.prompt_slots).cases:
        answer = pipeline.decode(image_embeddings, case, size, None)
        if not answer.is_finite:
            raise ArtifactError(
                f"{contestant.name}: the output has NaN or infinity: expected finite numbers"
            )
        same_frame.append(pipeline.resize_all(answer.low_res_masks, size))
        if isinstance(engine, WholeEngine):
            shown.append(engine.segment(image, case))
        else:
            shown.append(same_frame[-1][answer.shown_mask(is_ambiguous(case))])
    return Masks(same_frame, shown)


def agreement(masks: Masks, reference: Masks) -> PeerAgreement:
    """Compare ``masks`` with those of the reference."""
    pairs = zip(masks.same_frame, reference.same_frame, strict=True)
    return PeerAgreement(
        same_frame=min(lowest_iou(*pair) for pair in pairs),
        shown=lowest_iou(masks.shown, reference.shown),
    )
