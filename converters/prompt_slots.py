"""Placing prompts in the fixed slots of an exported mask decoder."""

from dataclasses import dataclass

import torch
from torch import Tensor

from converters.io_spec import LABEL_BOX_BOTTOM_RIGHT, LABEL_BOX_TOP_LEFT, LABEL_EMPTY_SLOT
from reference.common.errors import PromptError
from reference.prompt_arrays import PADDING_LABEL


@dataclass(frozen=True)
class SlotPrompt:
    """A prompt in the form that the exported mask decoder takes, with N slots."""

    point_coords: Tensor  # float32 (1, N, 2), x and y in pixels of the frame
    point_labels: Tensor  # float32 (1, N)
    mask_input: Tensor  # float32 (1, 1, S/4, S/4)
    has_mask_input: Tensor  # float32 (1,)

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The tensors in the order of the decoder's inputs, which follow the image embeddings."""
        return self.point_coords, self.point_labels, self.mask_input, self.has_mask_input


def fill_slots(
    prompt_slots: int,
    mask_size: int,
    points: tuple[Tensor, Tensor] | None,
    box: Tensor | None,
    mask_input: Tensor | None,
) -> SlotPrompt:
    """Place the prompt of one object, in pixels of the frame, in the slots of the mask decoder.

    Args:
        prompt_slots: N, the number of slots.
        mask_size: side of ``mask_input`` in pixels.
        points: coordinates (1, K, 2), x and y, and labels (1, K); or None.
        box: (1, 4), x1, y1, x2, y2, or None.
        mask_input: (1, 1, mask_size, mask_size), logits, or None.

    Raises:
        PromptError: the prompt needs more slots, or contains a padding point.
    """
    if points is not None and (points[1] == PADDING_LABEL).any():
        raise PromptError(
            f"label {PADDING_LABEL} marks a padding point: a converted decoder has empty slots instead; "
            "leave the point out"
        )
    coords, labels = [], []
    if points is not None:
        coords.append(points[0].float())
        labels.append(points[1].float())
    if box is not None:
        coords.append(box.float().reshape(1, 2, 2))
        labels.append(torch.tensor([[LABEL_BOX_TOP_LEFT, LABEL_BOX_BOTTOM_RIGHT]]).float())
    used = sum(part.shape[1] for part in coords)
    if used > prompt_slots:
        raise PromptError(
            f"the prompt takes {used} slots (a point takes one, a box takes two), but this artifact has "
            f"{prompt_slots}: use fewer points, or convert with --prompt-slots {used}"
        )
    empty = prompt_slots - used
    return SlotPrompt(
        point_coords=torch.cat([*coords, torch.zeros(1, empty, 2)], dim=1),
        point_labels=torch.cat([*labels, torch.full((1, empty), float(LABEL_EMPTY_SLOT))], dim=1),
        mask_input=torch.zeros(1, 1, mask_size, mask_size) if mask_input is None else mask_input,
        has_mask_input=torch.tensor([0.0 if mask_input is None else 1.0]),
    )
