"""Drawing prompts from true masks for training: points, noisy boxes and corrective clicks.

All coordinates are pixels of the picture, x before y, and pixel (0, 0) is in its top-left corner. Source: Segment
Anything (Kirillov et al., 2023, appendix A, "Training algorithm").
"""

import torch
from torch import Tensor

BOX_NOISE = 0.1  # standard deviation of a corner, relative to the side of the box
MOST_BOX_NOISE = 20.0  # pixels


def random_points(regions: Tensor, generator: torch.Generator) -> Tensor:
    """Draw a uniformly distributed pixel of each boolean region (B, H, W): float (B, 2), x and y.

    For an empty region, any pixel of the picture is drawn.
    """
    width = regions.shape[-1]
    lots = torch.rand(regions.shape, generator=generator, device=regions.device)
    index = (lots + regions).flatten(1).argmax(1)
    return torch.stack([index % width, index // width], dim=-1).float()


def tight_boxes(masks: Tensor) -> Tensor:
    """Return the outermost pixels of boolean masks (B, H, W): float (B, 4), x1, y1, x2, y2. No mask may be empty."""
    columns, rows = masks.any(1).int(), masks.any(2).int()
    x1, y1 = columns.argmax(1), rows.argmax(1)
    x2 = columns.shape[1] - 1 - columns.flip(1).argmax(1)
    y2 = rows.shape[1] - 1 - rows.flip(1).argmax(1)
    return torch.stack([x1, y1, x2, y2], dim=-1).float()


def noisy_boxes(masks: Tensor, generator: torch.Generator) -> Tensor:
    """Return ``tight_boxes`` whose corners are moved at random, as by an imprecise user, within the picture."""
    boxes = tight_boxes(masks)
    sides = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
    noise = torch.randn(boxes.shape, generator=generator, device=boxes.device) * BOX_NOISE * sides
    height, width = masks.shape[1:]
    most = boxes.new_tensor([width - 1, height - 1, width - 1, height - 1])
    return (boxes + noise.clamp(-MOST_BOX_NOISE, MOST_BOX_NOISE)).clamp(min=0).minimum(most)


def corrective_points(
    predicted: Tensor, true: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw a click where an answer is wrong.

    Args:
        predicted: bool (B, H, W), the predicted masks.
        true: bool (B, H, W), the true masks.
        generator: a generator on the device of the masks.

    Returns:
        Points (B, 2), x and y, and int64 labels (B,): 1 where the answer missed the object, and 0 where it includes the
        background. An answer without an error gets another click on the object.
    """
    error = predicted ^ true
    perfect = ~error.flatten(1).any(1)
    points = random_points(torch.where(perfect[:, None, None], true, error), generator)
    x, y = points.long().unbind(-1)
    labels = true[torch.arange(len(true), device=true.device), y, x].long()
    return points, labels
