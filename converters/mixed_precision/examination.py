"""Comparing the masks of a quantized model with those of the float one, in PyTorch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from converters.io_spec import LABEL_BACKGROUND, LABEL_BOX_TOP_LEFT, LABEL_OBJECT
from converters.quantization.quantized_weight import QuantizedWeight, replaced_weights
from reference.mask_choice import is_ambiguous, shown_mask

# The frame of a photo, and inputs of the mask decoder about it. The embeddings among them are not used.
PhotoInputs = tuple[Tensor, Sequence[tuple[Tensor, ...]]]


@dataclass(frozen=True)
class Grade:
    """How well the masks that users are shown agree with those of the float model.

    Attributes:
        min_iou: the lowest IoU of a mask.
        mean_iou: the mean IoU.
    """

    min_iou: float
    mean_iou: float


class Examination:
    """The masks of the float model about some photos. It grades quantized weights by them."""

    def __init__(
        self, encoder: nn.Module, decoder: nn.Module, photos: Sequence[PhotoInputs]
    ) -> None:
        """Take the modules, whose weights are floats, and ask them."""
        self._encoder, self._decoder, self._photos = encoder, decoder, photos
        answers = self._answers()
        self._shown = [_shown_index(prompt, scores) for prompt, _, scores in answers]
        self._expected = [
            mask[index] for (_, mask, _), index in zip(answers, self._shown, strict=True)
        ]

    def grade(self, weights: Mapping[str, Mapping[str, QuantizedWeight]]) -> Grade:
        """Grade weights: component → path of a layer → its weight."""
        with (
            replaced_weights(self._encoder, weights["image_encoder"]),
            replaced_weights(self._decoder, weights["mask_decoder"]),
        ):
            answers = self._answers()
        ious = [
            _iou(masks[index], expected)
            for (_, masks, _), index, expected in zip(
                answers, self._shown, self._expected, strict=True
            )
        ]
        return Grade(min(ious), sum(ious) / len(ious))

    @torch.no_grad()
    def _answers(self) -> list[tuple[tuple[Tensor, ...], Tensor, Tensor]]:
        """Return each prompt, its masks, bool (4, height, width), and its scores (4,)."""
        answers = []
        for frame, prompts in self._photos:
            embeddings = self._encoder(frame)
            for prompt in prompts:
                masks, scores = self._decoder(embeddings, *prompt[1:])
                answers.append((prompt, masks[0] > 0, scores[0]))
        return answers


def _shown_index(prompt: tuple[Tensor, ...], scores: Tensor) -> int:
    """Return the index of the mask that users are shown."""
    _, _, labels, _, has_mask = prompt
    points = ((labels == LABEL_OBJECT) | (labels == LABEL_BACKGROUND)).sum().item()
    has_box = (labels == LABEL_BOX_TOP_LEFT).any().item()
    return shown_mask(scores.numpy(), is_ambiguous(points, has_box, has_mask.item() > 0))


def _iou(mask: Tensor, other: Tensor) -> float:
    union = (mask | other).sum().item()
    return (mask & other).sum().item() / union if union else 1.0
