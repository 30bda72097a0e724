"""How far one answer is from another, and what each stage had in it."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from validation.metrics import (
    TensorDifference,
    area_change,
    boundary_iou,
    is_blank,
    largest_difference,
    mask_iou,
    tensor_difference,
)
from validation.questions.cases import Answer
from validation.stages import IMAGE_ENCODER

Metric = Callable[[np.ndarray, np.ndarray], float]  # of two boolean (H, W) masks

MULTIMASK = slice(1, None)  # the three guesses; mask 0 is the single-mask answer


@dataclass(frozen=True)
class Agreement:
    """How far an artifact's answer to one prompt is from the reference's.

    Attributes:
        mask_ious: of the four masks, at the photo's own size; 0 of one whose logits are not finite.
        boundary_ious: likewise, of the masks' boundaries.
        area_changes: by what share each mask is larger than the reference's.
        best_iou: IoU of the mask that a user of the reference is shown with the artifact's mask of
            the same index: what is lost is numeric drift.
        shown_iou: IoU of the same mask with the one that a user of the artifact is shown, the best by
            its own scores: what is lost beyond ``best_iou`` is due to another choice.
        best_index: of the mask that a user of the reference is shown.
        shown_index: of the mask that a user of the artifact is shown.
        score_difference: largest of the four predicted IoUs; infinite if one is not finite.
        logits: of the low-resolution masks.
        blank: which of the four masks agree by being empty, or the whole photo: that is no evidence.
        truth_ious: IoU with the object's true mask, where it is known: of what the reference and
            of what the artifact shows.
    """

    mask_ious: tuple[float, ...]
    boundary_ious: tuple[float, ...]
    area_changes: tuple[float, ...]
    best_iou: float
    shown_iou: float
    best_index: int
    shown_index: int
    score_difference: float
    logits: TensorDifference
    blank: tuple[bool, ...]
    truth_ious: tuple[float, float] | None

    @property
    def min_iou(self) -> float:
        """IoU of the mask that came out worst."""
        return min(self.mask_ious)

    def evident(self, values: Sequence[float]) -> list[float]:
        """Those of four values, one per mask, whose mask is evidence."""
        return [value for value, blank in zip(values, self.blank, strict=True) if not blank]

    @property
    def same_choice(self) -> bool:
        """Whether a user is shown the mask of the same index."""
        return self.best_index == self.shown_index

    @property
    def drift_loss(self) -> float:
        """IoU that a user loses to numbers that moved."""
        return 1 - self.best_iou

    @property
    def flip_loss(self) -> float:
        """IoU that a user loses, or wins, because another mask is chosen."""
        return self.best_iou - self.shown_iou


@dataclass(frozen=True)
class StageLoss:
    """What one stage lost in one case.

    Attributes:
        stage: one of ``stages.STAGES``.
        own_iou: lowest IoU of the four masks if this stage alone is the artifact's and is fed what
            the reference's stage would be fed; None if the reference could not be run.
        chained_iou: likewise, fed what the artifact's previous stage gives, against the reference's
            stage fed the same.
        own_score_difference: of the predicted IoUs, like ``own_iou``; 0 for stages without scores.
        output: the stage's own output against the reference's from the same input; None where the
            output is the masks, and where the reference could not be run.
    """

    stage: str
    own_iou: float | None
    chained_iou: float | None
    own_score_difference: float
    output: TensorDifference | None

    @property
    def loss(self) -> float:
        """One number to rank stages by: the own loss of IoU, or of score if that is larger."""
        if self.output is not None and self.output.not_finite:
            return math.inf
        return max(1 - (1.0 if self.own_iou is None else self.own_iou), self.own_score_difference)


def measure(
    answer: Answer,
    expected: Answer,
    masks: Sequence[np.ndarray],
    expected_masks: Sequence[np.ndarray],
    ambiguous: bool,
    truth: np.ndarray | None = None,
) -> Agreement:
    """Hold an answer to the reference's.

    Args:
        answer: the artifact's.
        expected: the reference's.
        masks: the artifact's four, boolean (H, W).
        expected_masks: the reference's four.
        ambiguous: whether a user is shown the best of the three guesses, not mask 0.
        truth: the object's true mask, boolean (H, W).
    """
    best, shown = (chosen_mask(scores, ambiguous) for scores in (expected, answer))
    pairs = list(zip(masks, expected_masks, strict=True))
    finite, expected_finite = answer.finite_masks, expected.finite_masks

    # The threshold makes an empty mask of NaN, and two empty masks would agree.
    def iou(index: int, other: int, metric: Metric = mask_iou) -> float:
        sound = finite[index] and expected_finite[other]
        return metric(masks[index], expected_masks[other]) if sound else 0.0

    indices = range(len(pairs))
    ious = tuple(iou(index, index) for index in indices)
    truth_ious = None
    if truth is not None:
        truth_ious = mask_iou(expected_masks[best], truth), mask_iou(masks[shown], truth)
    return Agreement(
        mask_ious=ious,
        boundary_ious=tuple(iou(index, index, boundary_iou) for index in indices),
        area_changes=tuple(area_change(*pair) for pair in pairs),
        best_iou=ious[best],
        shown_iou=iou(shown, best),
        best_index=best,
        shown_index=shown,
        score_difference=score_difference(answer, expected),
        logits=tensor_difference(answer.low_res_masks.numpy(), expected.low_res_masks.numpy()),
        blank=tuple(ious[index] == 1 and is_blank(expected_masks[index]) for index in indices),
        truth_ious=truth_ious,
    )


def chosen_mask(answer: Answer, ambiguous: bool) -> int:
    """Index of the mask that a user is shown: the best of the three guesses, or mask 0."""
    if not ambiguous:
        return 0
    return 1 + int(answer.iou_predictions[0, MULTIMASK].nan_to_num(-math.inf).argmax())


def score_difference(answer: Answer, expected: Answer) -> float:
    """Largest difference of the four predicted IoUs; infinite if one is not finite."""
    return largest_difference(answer.iou_predictions.numpy(), expected.iou_predictions.numpy())


def lowest_iou(masks: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> float:
    """The IoU of the pair that agrees worst."""
    return min(mask_iou(*pair) for pair in zip(masks, others, strict=True))


def stage_to_blame(losses: Sequence[StageLoss], failed: Iterable[str], lost: float) -> str | None:
    """The stage that an artifact's loss in one case comes from.

    Args:
        losses: of the case, in the stages' order.
        failed: stages whose own output does not hold its gate.
        lost: IoU or score that was lost from the photo to the mask.

    Returns:
        the first stage that failed a gate of its own, since each is measured from an input that the
        reference was given too; else the one with the largest loss of its own. If that explains less
        than half of what was lost, and the image encoder could not be measured for want of the
        reference, then the image encoder. None if no stage lost anything by itself.
    """
    for loss in losses:
        if loss.stage in failed:
            return loss.stage
    worst = max(losses, key=lambda loss: loss.loss)
    unmeasured = any(loss.stage == IMAGE_ENCODER and loss.own_iou is None for loss in losses)
    if unmeasured and worst.loss < lost / 2:
        return IMAGE_ENCODER
    return worst.stage if worst.loss > 0 else None
