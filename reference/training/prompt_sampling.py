"""Prompts that training makes up from true masks: points, noisy boxes and corrective clicks.

All are in pixels of the picture, x first, and pixel (0, 0) is the one in its top-left corner. Source: Segment Anything
(Kirillov et al., 2023, appendix A, "Training algorithm").
"""

import torch
from torch import Tensor

BOX_NOISE = 0.1  # standard deviation of a corner, of the box's side
MOST_BOX_NOISE = 20.0  # pixels


def random_points(regions: Tensor, generator: torch.Generator) -> Tensor:
    """A pixel of each of (B, H, W) boolean regions, all of a region equally likely, as float (B, 2) x, y.

    A region without a pixel gives any pixel of the picture.
    """
    width = regions.shape[-1]
    lots = torch.rand(regions.shape, generator=generator, device=regions.device)
    index = (lots + regions).flatten(1).argmax(1)
    return torch.stack([index % width, index // width], dim=-1).float()


def tight_boxes(masks: Tensor) -> Tensor:
    """Outermost pixels of (B, H, W) boolean masks, as float (B, 4) x1, y1, x2, y2; none may be empty."""
    columns, rows = masks.any(1).int(), masks.any(2).int()
    x1, y1 = columns.argmax(1), rows.argmax(1)
    x2 = columns.shape[1] - 1 - columns.flip(1).argmax(1)
    y2 = rows.shape[1] - 1 - rows.flip(1).argmax(1)
    return torch.stack([x1, y1, x2, y2], dim=-1).float()


def noisy_boxes(masks: Tensor, generator: torch.Generator) -> Tensor:
    """``tight_boxes``, each corner moved as a hurried user would, and kept in the picture."""
    boxes = tight_boxes(masks)
    sides = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
    noise = torch.randn(boxes.shape, generator=generator, device=boxes.device) * BOX_NOISE * sides
    height, width = masks.shape[1:]
    most = boxes.new_tensor([width - 1, height - 1, width - 1, height - 1])
    return (boxes + noise.clamp(-MOST_BOX_NOISE, MOST_BOX_NOISE)).clamp(min=0).minimum(most)


def corrective_points(
    predicted: Tensor, true: Tensor, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """A click where an answer is wrong.

    Args:
        predicted: (B, H, W) boolean.
        true: (B, H, W) boolean.
        generator: on the masks' device.

    Returns:
        (B, 2) x, y and int64 (B,) labels: 1 where the object was missed, 0 where background was taken for it. An answer
        without an error gets another click on the object.
    """
    error = predicted ^ true
    perfect = ~error.flatten(1).any(1)
    points = random_points(torch.where(perfect[:, None, None], true, error), generator)
    x, y = points.long().unbind(-1)
    labels = true[torch.arange(len(true), device=true.device), y, x].long()
    return points, labels
