"""What training minimizes: focal and dice loss of masks, and at first a loss that position cannot lower.

Source: Segment Anything (Kirillov et al., 2023, appendix A), focal to dice 20 : 1; focal loss after Lin et al. (2017),
dice loss after Milletari et al. (2016).
"""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

FOCAL_WEIGHT = 20.0
FOCAL_ALPHA = 0.25  # weight of the object's pixels; 1 - alpha is the background's
FOCAL_GAMMA = 2.0
ZONE_CELLS = 30  # of the object and of the rest, that a zone must have to count
ZONE_SHARE = 0.01  # of a zone's cells that must be the object's


def mask_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Loss of each of M masks for each of B objects.

    Args:
        logits: (B, M, h, w).
        target: (B, h, w) share of each cell that the object covers, 0…1. Logits are a quarter of the
            frame's size, and a share says where in the cell the edge is.

    Returns:
        (B, M), 20 parts of focal loss and one of dice loss.
    """
    target = target[:, None].expand_as(logits)
    return FOCAL_WEIGHT * focal_loss(logits, target) + dice_loss(logits, target)


def focal_loss(logits: Tensor, target: Tensor) -> Tensor:
    """(..., h, w) logits and targets in 0…1 → (...), the mean over the pixels."""
    probability = logits.sigmoid()
    entropy = binary_cross_entropy_with_logits(logits, target, reduction="none")
    error = (probability - target).abs()
    alpha = FOCAL_ALPHA * target + (1 - FOCAL_ALPHA) * (1 - target)
    return (alpha * error**FOCAL_GAMMA * entropy).mean((-2, -1))


def dice_loss(logits: Tensor, target: Tensor) -> Tensor:
    """(..., h, w) logits and targets in 0…1 → (...); with a pixel added, so that empty masks agree."""
    probability = logits.sigmoid()
    shared = (probability * target).sum((-2, -1))
    total = probability.sum((-2, -1)) + target.sum((-2, -1))
    return 1 - (2 * shared + 1) / (total + 1)


def balanced_loss(logits: Tensor, target: Tensor, zones: Tensor) -> Tensor:
    """Cross-entropy that cannot be lowered by where a cell is: in each zone half of the weight is the objects'.

    Zones count alike; those with hardly a cell of the objects, or of the rest, do not.

    Args:
        logits: (B, M, h, w).
        target: (B, h, w) share of each cell that the object covers, 0…1.
        zones: int64 (B, h, w), from 0; see ``prompt_zones``.

    Returns:
        (B, M), whose mean over B is a mean over zones.
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
    """IoU (B, M) of thresholded logits (B, M, h, w) with the cells of (B, h, w) that are covered by half or more."""
    predicted, true = logits > 0, (target >= 0.5)[:, None]
    shared = (predicted & true).sum((-2, -1))
    union = (predicted | true).sum((-2, -1))
    return shared / union.clamp(min=1)
