"""Selects the best of overlapping boxes.

Semantics: ``non_maximum_suppression`` in coremltools' ``ops/defs/iOS15/tensor_operation.py`` and
``iOS17/tensor_operation.py``.
"""

from math import inf

import torch
import torch.nn.functional as F
from torch import Tensor

from validation.mil_runtime.model.program_structure import Opset
from validation.mil_runtime.registry import operator


@operator("non_maximum_suppression")
def non_maximum_suppression(
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: float,
    score_threshold: float,
    max_boxes: int,
    per_class_suppression: bool = False,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    selections = [
        _suppress(*batch, iou_threshold, score_threshold, max_boxes, per_class_suppression)
        for batch in zip(boxes, scores, strict=True)
    ]
    counts = torch.tensor([len(selection) for selection in selections])
    indices = torch.stack([F.pad(s, (0, max_boxes - len(s)), value=-1) for s in selections])
    return _selected(boxes, indices), _selected(scores, indices), indices, counts


@operator("non_maximum_suppression", since=Opset.iOS17)
def non_maximum_suppression_of_columns(
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: float,
    max_boxes: int,
    per_class_suppression: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    boxes, scores, indices, _ = non_maximum_suppression(
        boxes.transpose(1, 2),  # [n, B, 4]
        scores.transpose(1, 2),  # [n, B, K]
        iou_threshold,
        -inf,
        max_boxes,
        per_class_suppression,
    )
    return boxes.transpose(1, 2), scores.transpose(1, 2), indices


def _suppress(
    boxes: Tensor,
    scores: Tensor,
    iou_threshold: float,
    score_threshold: float,
    max_boxes: int,
    per_class: bool,
) -> Tensor:
    """Return the indices of the boxes [B, 4] that remain, with higher scores first."""
    best, classes = scores.max(1)
    order = best.argsort(descending=True, stable=True)
    # If no box reaches the score, Core ML still returns the best one.
    candidates = order[: max(int((best >= score_threshold).sum()), 1)]
    kept, alive = [], torch.ones_like(best, dtype=torch.bool)
    for candidate in candidates.tolist():
        if len(kept) == max_boxes:
            break
        if alive[candidate]:
            kept.append(candidate)
            suppressed = _overlaps(boxes[candidate], boxes) > iou_threshold
            alive &= ~(suppressed & (classes == classes[candidate]) if per_class else suppressed)
    return torch.tensor(kept, dtype=torch.int64)


def _overlaps(box: Tensor, boxes: Tensor) -> Tensor:
    """Return the IoU of one box with each of [B, 4]; it is 0 for a box without area."""
    center, size = boxes.split(2, 1)
    low = torch.maximum(center - size / 2, box[:2] - box[2:] / 2)
    high = torch.minimum(center + size / 2, box[:2] + box[2:] / 2)
    shared = (high - low).clamp(min=0).prod(1)
    union = size.prod(1) + box[2:].prod() - shared
    return torch.where(shared > 0, shared / union, 0)


def _selected(rows: Tensor, indices: Tensor) -> Tensor:
    """Select rows [n, B, c] at indices [n, max_boxes]. An index of -1 gives zeros."""
    chosen = rows.gather(1, indices.clamp(min=0).unsqueeze(2).expand(-1, -1, rows.shape[2]))
    return chosen.masked_fill((indices < 0).unsqueeze(2), 0)
