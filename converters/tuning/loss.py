"""How far the answers of a quantized model are from those of the float model."""

import torch
from torch import Tensor

# The answers to a prompt: low-resolution mask logits (1, 4, h, w), and predicted IoUs (1, 4).
Answers = tuple[Tensor, Tensor]

_SMALLEST_AREA = 64  # logits. A mask of fewer does not count more than one of so many.
_MOST = 4.0  # the loss of a mask. One that is lost anyway must not outweigh all others.


def answer_loss(found: Answers, wanted: Answers) -> Tensor:
    """Return the square error of the predicted IoUs, and that of the logits where it can change a mask.

    Only logits near 0 change sides. The fewer pixels a mask has, the more does each of them count.
    """
    (masks, scores), (true_masks, true_scores) = found, wanted
    areas = (true_masks > 0).sum((2, 3)).clamp(min=_SMALLEST_AREA)
    probability = torch.sigmoid(true_masks)
    weights = 4 * probability * (1 - probability)
    of_masks = (weights * (masks - true_masks).square()).sum((2, 3)) / areas
    return of_masks.clamp(max=_MOST).mean() + (scores - true_scores).square().mean()


def embedding_loss(found: Tensor, wanted: Tensor) -> Tensor:
    """Return the square error of image embeddings, relative to their variance."""
    return (found - wanted).square().mean() / wanted.var()
