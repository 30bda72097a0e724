"""How far the answers of a quantized model are from those of the float model."""

from torch import Tensor

from converters.quantization.logit_weights import logit_weights

# The answers to a prompt: low-resolution mask logits (1, 4, h, w), and predicted IoUs (1, 4).
Answers = tuple[Tensor, Tensor]

_SMALLEST_VARIANCE = 1e-6
_ALL_LOGITS = 10.0  # the weight of all logits; then they count about as much as those near 0
_MOST = 4.0  # the loss of a mask. One that is lost anyway must not outweigh all others.


def answer_loss(found: Answers, wanted: Answers) -> Tensor:
    """Return the square error of the predicted IoUs and of the logits, above all where it can change a mask.

    Only logits near 0 change sides. The fewer pixels a mask has, the more does each of them count. The other logits
    count as well, because a click that refines a mask starts from all of its logits.
    """
    (masks, scores), (true_masks, true_scores) = found, wanted
    of_masks = (logit_weights(true_masks) * (masks - true_masks).square()).sum((2, 3))
    of_scores = (scores - true_scores).square().mean()
    return (
        of_masks.clamp(max=_MOST).mean()
        + _ALL_LOGITS * relative_error(masks, true_masks)
        + of_scores
    )


def relative_error(found: Tensor, wanted: Tensor) -> Tensor:
    """Return the mean square error of a tensor, relative to the variance of the wanted one."""
    return (found - wanted).square().mean() / wanted.var().clamp(min=_SMALLEST_VARIANCE)
