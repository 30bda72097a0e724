"""The losses of a training: focal and dice loss of masks, and a balanced loss for the beginning.

Source: Segment Anything (Kirillov et al., 2023, appendix A), with a ratio of focal to dice loss of 20 : 1. The focal
loss is that of Lin et al. (2017), and the dice loss that of Milletari et al. (2016).
"""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

FOCAL_WEIGHT = 20.0
FOCAL_ALPHA = 0.25  # weight of object pixels; background pixels have the weight 1 - alpha
FOCAL_GAMMA = 2.0
ZONE_CELLS = 30  # a zone counts if it has this many cells of objects, and as many of the rest
ZONE_SHARE = 0.01  # a zone counts if at least this share of its cells belongs to objects


def mask_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Compute the loss of each of M masks for each of B objects.

    Args:
        logits: (B, M, h, w).
        target: (B, h, w), share of each cell that the object covers, 0…1. A cell covers 4 × 4 pixels of the frame, and
            the share tells where in the cell the edge lies.

    Returns:
        The loss (B, M): 20 times the focal loss plus the dice loss.
    """
    target = target[:, None].expand_as(logits)
    return FOCAL_WEIGHT * focal_loss(logits, target) + dice_loss(logits, target)


def focal_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Return the mean focal loss over pixels (…), given logits (…, h, w) and targets (…, h, w) in 0…1."""
    probability = logits.sigmoid()
    entropy = binary_cross_entropy_with_logits(logits, target, reduction="none")
    error = (probability - target).abs()
    alpha = FOCAL_ALPHA * target + (1 - FOCAL_ALPHA) * (1 - target)
    return (alpha * error**FOCAL_GAMMA * entropy).mean((-2, -1))


def dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Return the dice loss (…), given logits (…, h, w) and targets (…, h, w) in 0…1.

    One common pixel is added to both masks, so that two empty masks agree.
    """
    probability = logits.sigmoid()
    shared = (probability * target).sum((-2, -1))
    total = probability.sum((-2, -1)) + target.sum((-2, -1))
    return 1 - (2 * shared + 1) / (total + 1)


def balanced_loss(logits: Tensor, target: Tensor, zones: Tensor) -> Tensor:
    """Compute a cross-entropy that the position of a cell alone cannot lower.

    In each zone, the cells of objects have half of the weight. All zones have the same weight, except that zones with
    few cells of objects, or of the rest, do not count.

    Args:
        logits: (B, M, h, w).
        target: (B, h, w), share of each cell that the object covers, 0…1.
        zones: int64 (B, h, w), number of the zone of each cell, from 0; see ``prompt_zones``.

    Returns:
        The loss (B, M). Its mean over B is a mean over zones.
    """
    inside = target >= 0.5
    count = int(zones.max()) + 1
    objects, rest = (
        torch.bincount(zones[cells], minlength=count).to(logits.dtype)
        for cells in (inside, ~inside)
    )
    counts = (objects >= ZONE_CELLS) & (rest >= ZONE_CELLS)
    counts &= objects >= ZONE_SHARE * (objects + rest)
    share = counts / (2 * counts.sum().clamp(min=1)) * len(logits)
    weights = torch.where(
        inside, (share / objects.clamp(min=1))[zones], (share / rest.clamp(min=1))[zones]
    )
    truth = inside[:, None].expand_as(logits).to(logits.dtype)
    entropy = binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return (weights[:, None] * entropy).sum((-2, -1))


def mask_iou(logits: Tensor, target: Tensor) -> Tensor:
    """Return the IoU (B, M) of thresholded logits (B, M, h, w) with a target (B, h, w).

    A cell belongs to the target mask if the object covers at least half of it.
    """
    predicted, true = logits > 0, (target >= 0.5)[:, None]
    shared = (predicted & true).sum((-2, -1))
    union = (predicted | true).sum((-2, -1))
    return shared / union.clamp(min=1)
