"""Computes what each stage of an artifact lost in one case, from answers in which single stages were exchanged."""

from functools import partial

import numpy as np

from validation.comparison.agreement import StageLoss, lowest_iou, score_difference
from validation.comparison.stage_exchange import CaseAnswers, PhotoAnswers
from validation.metrics import tensor_difference
from validation.questions.cases import Answer
from validation.questions.pipeline import PhotoArithmetic, PhotoPipeline
from validation.stages import IMAGE_ENCODER, MASK_DECODER, MASK_RESIZE, PREPROCESSING


class CaseMasks:
    """The masks of one case at the photo's own size, each computed once."""

    def __init__(self, photo_size: tuple[int, int]) -> None:
        self._photo_size = photo_size
        self._arithmetics: list[PhotoArithmetic] = []
        self._masks: dict[tuple[int, int], list[np.ndarray]] = {}

    def of(self, answer: Answer, arithmetic: PhotoArithmetic) -> list[np.ndarray]:
        """The four masks of an answer, boolean (H, W) each, as ``arithmetic`` resizes them."""
        key = id(answer), self._index(arithmetic)
        if key not in self._masks:
            self._masks[key] = arithmetic.resize_all(answer.low_res_masks, self._photo_size)
        return self._masks[key]

    def _index(self, arithmetic: PhotoArithmetic) -> int:
        """The same number for every arithmetic that makes the same masks."""
        for index, known in enumerate(self._arithmetics):
            if arithmetic.makes_masks_of(known):
                return index
        self._arithmetics.append(arithmetic)
        return len(self._arithmetics) - 1


def stage_losses(
    photo: PhotoAnswers,
    answers: CaseAnswers,
    masks: CaseMasks,
    arithmetic: PhotoArithmetic,
    candidate: PhotoPipeline,
) -> tuple[StageLoss, ...]:
    """Return the loss of each stage in one case, in the order of the stages.

    Args:
        photo: all answers about the photo.
        answers: the answers to the case, one of ``photo.cases``.
        masks: the masks of the case.
        arithmetic: the reference's way to a frame and back.
        candidate: the artifact.
    """
    iou = partial(_iou, masks, arithmetic)
    reference, alone = answers.reference, answers.decoder_alone
    frame_iou = iou(answers.from_frame, reference)
    encoder_iou = iou(answers.from_embeddings, answers.from_frame)
    return (
        StageLoss(
            PREPROCESSING,
            own_iou=frame_iou,
            chained_iou=frame_iou,
            own_score_difference=_score_difference(answers.from_frame, reference),
            output=photo.frame,
        ),
        StageLoss(
            IMAGE_ENCODER,
            own_iou=encoder_iou,
            chained_iou=encoder_iou,
            own_score_difference=_score_difference(answers.from_embeddings, answers.from_frame),
            output=photo.embeddings,
        ),
        StageLoss(
            MASK_DECODER,
            own_iou=iou(alone, reference),
            chained_iou=iou(answers.artifact, answers.from_embeddings),
            own_score_difference=_score_difference(alone, reference),
            output=tensor_difference(alone.low_res_masks.numpy(), reference.low_res_masks.numpy()),
        ),
        StageLoss(
            MASK_RESIZE,
            own_iou=_resize_iou(masks, arithmetic, candidate, reference),
            chained_iou=_resize_iou(masks, arithmetic, candidate, answers.artifact),
            own_score_difference=0.0,
            output=None,
        ),
    )


def _iou(
    masks: CaseMasks, arithmetic: PhotoArithmetic, answer: Answer | None, other: Answer | None
) -> float | None:
    """Lowest IoU of the four masks; None if an answer is missing, 0 if a logit is not finite."""
    if answer is None or other is None:
        return None
    if not all(answer.finite_masks + other.finite_masks):
        return 0.0
    return lowest_iou(masks.of(answer, arithmetic), masks.of(other, arithmetic))


def _resize_iou(
    masks: CaseMasks, arithmetic: PhotoArithmetic, candidate: PhotoPipeline, answer: Answer
) -> float:
    """Lowest IoU of the same four masks, resized by the artifact's and by the reference's arithmetic."""
    return lowest_iou(masks.of(answer, candidate), masks.of(answer, arithmetic))


def _score_difference(answer: Answer | None, other: Answer | None) -> float:
    return 0.0 if answer is None or other is None else score_difference(answer, other)
