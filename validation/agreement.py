"""How far one answer is from another."""

from dataclasses import dataclass

from reference.preprocessing import threshold_masks
from validation.cases import Answer
from validation.metrics import largest_difference, mask_iou


@dataclass(frozen=True)
class Agreement:
    """How far an artefact's answer to one prompt is from the reference's.

    Attributes:
        mask_ious: of the four masks, at the photo's own size.
        best_iou: of the mask that a user of the reference would be shown.
        score_difference: largest of the four predicted IoUs; infinite if one is not finite.
        logit_difference: largest of the low-resolution masks' logits; infinite likewise.
    """

    mask_ious: tuple[float, ...]
    best_iou: float
    score_difference: float
    logit_difference: float

    @property
    def min_iou(self) -> float:
        """IoU of the mask that came out worst."""
        return min(self.mask_ious)


def measure(
    answer: Answer,
    expected: Answer,
    ambiguous: bool,
    photo_size: tuple[int, int],
    frame_size: int,
) -> Agreement:
    """Hold an answer to the reference's.

    Args:
        answer: the artefact's.
        expected: the reference's.
        ambiguous: whether a user is shown the best of the three guesses, not mask 0.
        photo_size: (height, width) of the photo, at which masks are compared.
        frame_size: side of the frame.
    """
    scores = expected.iou_predictions[0].numpy()
    best = 1 + int(scores[1:].argmax()) if ambiguous else 0
    # One mask at a time: those of a large photo would fill the memory.
    ious = tuple(
        mask_iou(
            *(
                threshold_masks(logits[:, i : i + 1], photo_size, frame_size)[0, 0].numpy()
                for logits in (answer.low_res_masks, expected.low_res_masks)
            )
        )
        for i in range(len(scores))
    )
    return Agreement(
        mask_ious=ious,
        best_iou=ious[best],
        score_difference=largest_difference(answer.iou_predictions.numpy(), scores[None]),
        logit_difference=largest_difference(
            answer.low_res_masks.numpy(), expected.low_res_masks.numpy()
        ),
    )
