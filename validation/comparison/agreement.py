"""Measures how much an artifact's answer differs from the reference answer, and which stage is to blame."""

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

Metric = Callable[[np.ndarray, np.ndarray], float]  # compares two boolean (H, W) masks

MULTIMASK = slice(1, None)  # the three guesses of a single point; mask 0 answers any other prompt


@dataclass(frozen=True)
class Agreement:
    """The agreement of an artifact's answer to one prompt with the reference answer.

    Attributes:
        mask_ious: IoU of each of the four masks, at the photo's own size; 0 if its logits are not finite.
        differing_shares: the pixels in which each of the four masks differs, as a share of the frame's; 1 if its logits
            are not finite.
        boundary_ious: IoU of the boundaries of each of the four masks; 0 if its logits are not finite.
        area_changes: area of each mask relative to the reference mask, minus 1.
        best_iou: IoU of the mask that a user of the reference is shown with the artifact's mask of
            the same index. What it lacks to 1 is numeric drift.
        shown_iou: IoU of the mask that a user of the reference is shown with the one that a user of
            the artifact is shown, which the artifact's own scores choose. What it lacks to
            ``best_iou`` is a flip: another mask was chosen.
        best_index: index of the mask that a user of the reference is shown.
        shown_index: index of the mask that a user of the artifact is shown.
        score_difference: largest difference of the four predicted IoUs; infinite if one is not finite.
        logits: difference of the low-resolution mask logits.
        blank: for each of the four masks, whether both sides agree on an empty mask or on the whole
            photo. Such agreement is no evidence.
        truth_ious: IoU with the object's true mask of the mask that the reference shows, and of the
            mask that the artifact shows; None if the true mask is not known.
    """

    mask_ious: tuple[float, ...]
    differing_shares: tuple[float, ...]
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
        """Lowest IoU of the four masks."""
        return min(self.mask_ious)

    @property
    def min_seen_iou(self) -> float:
        """Lowest IoU of the masks that users see."""
        return min(iou for index, iou in enumerate(self.mask_ious) if self.is_seen(index))

    def is_seen(self, index: int) -> bool:
        """Whether users of the reference or of the artifact are shown the mask with this index."""
        return index in (self.best_index, self.shown_index)

    def evident(self, values: Sequence[float]) -> list[float]:
        """Return those of four values, one per mask, whose masks are evidence."""
        return [value for value, blank in zip(values, self.blank, strict=True) if not blank]

    @property
    def same_choice(self) -> bool:
        """Whether users of reference and artifact are shown masks of the same index."""
        return self.best_index == self.shown_index

    @property
    def drift_loss(self) -> float:
        """IoU that a user loses because the same mask came out slightly different."""
        return 1 - self.best_iou

    @property
    def flip_loss(self) -> float:
        """IoU that a user loses because another mask is chosen; negative if it is gained."""
        return self.best_iou - self.shown_iou


@dataclass(frozen=True)
class StageLoss:
    """The loss of one stage in one case.

    Attributes:
        stage: one of ``stages.STAGES``.
        own_iou: lowest IoU of the four masks if only this stage runs in the artifact. Its input is
            the reference output of the stage before. None if the reference could not be run.
        chained_iou: lowest IoU between the four masks of the artifact's stage and those of the
            reference stage. The input of both is the artifact's output of the stage before. None if
            the reference could not be run.
        own_score_difference: largest difference of the predicted IoUs, measured like ``own_iou``; 0
            for stages that have no influence on scores.
        output: difference of the stage's output from the reference output for the same input. None
            for the last stage, whose output is the masks, and if the reference could not be run.
    """

    stage: str
    own_iou: float | None
    chained_iou: float | None
    own_score_difference: float
    output: TensorDifference | None

    @property
    def loss(self) -> float:
        """One number to rank stages by: the larger of the stage's own loss of IoU and of score."""
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
    """Measure how well an answer agrees with the reference answer.

    Args:
        answer: what the artifact answers.
        expected: what the reference answers.
        masks: the artifact's four masks, boolean (H, W) each.
        expected_masks: the four reference masks, boolean (H, W) each.
        ambiguous: whether a user is shown the best of the three guesses, not mask 0.
        truth: the object's true mask, boolean (H, W); None if it is not known.
    """
    best, shown = expected.shown_mask(ambiguous), answer.shown_mask(ambiguous)
    pairs = list(zip(masks, expected_masks, strict=True))
    finite, expected_finite = answer.finite_masks, expected.finite_masks

    # NaN logits do not exceed the threshold, so the mask would be empty, and two empty masks agree.
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
        differing_shares=tuple(
            _differing_share(*pairs[index]) if finite[index] and expected_finite[index] else 1.0
            for index in indices
        ),
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


def _differing_share(mask: np.ndarray, other: np.ndarray) -> float:
    """Return the pixels in which two masks of a photo differ, as a share of those of its square frame."""
    return float(np.count_nonzero(mask != other)) / max(mask.shape) ** 2


def score_difference(answer: Answer, expected: Answer) -> float:
    """The largest difference of the four predicted IoUs; infinite if one is not finite."""
    return largest_difference(answer.iou_predictions.numpy(), expected.iou_predictions.numpy())


def lowest_iou(masks: Sequence[np.ndarray], others: Sequence[np.ndarray]) -> float:
    """The lowest IoU of corresponding masks."""
    if masks is others:  # as for a stage that changed nothing
        return 1.0
    return min(mask_iou(*pair) for pair in zip(masks, others, strict=True))


def stage_to_blame(losses: Sequence[StageLoss], failed: Iterable[str], lost: float) -> str | None:
    """The stage that causes an artifact's loss in one case.

    Args:
        losses: the losses of the case, in the order of the stages.
        failed: names of the stages whose own output fails its gate.
        lost: IoU or score that was lost on the whole way from the photo to the mask.

    Returns:
        The first stage that fails a gate of its own. If none does, the stage with the largest own
        loss. If that explains less than half of ``lost`` and the image encoder could not be measured
        because the reference is missing, the image encoder. None if no stage has a loss of its own.
    """
    for loss in losses:
        if loss.stage in failed:
            return loss.stage
    worst = max(losses, key=lambda loss: loss.loss)
    unmeasured = any(loss.stage == IMAGE_ENCODER and loss.own_iou is None for loss in losses)
    if unmeasured and worst.loss < lost / 2:
        return IMAGE_ENCODER
    return worst.stage if worst.loss > 0 else None
