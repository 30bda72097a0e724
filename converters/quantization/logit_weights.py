"""How much the error of a mask logit matters."""

import torch
from torch import Tensor

_SMALLEST_AREA = 64  # logits. A mask of fewer does not count more than one of so many.


def logit_weights(masks: Tensor) -> Tensor:
    """Return how much a square change of each logit matters, in the shape (1, masks, height, width) of the logits."""
    areas = (masks > 0).sum((2, 3), keepdim=True).clamp(min=_SMALLEST_AREA)
    probability = torch.sigmoid(masks)
    return 4 * probability * (1 - probability) / areas
