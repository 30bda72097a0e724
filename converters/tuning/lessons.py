"""What a quantized model is tuned on: generated scenes and calibration photos, with prompts at random places."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from converters.io_spec import LABEL_BACKGROUND, LABEL_OBJECT
from converters.prompt_slots import fill_slots
from reference.scenes import generate_scenes
from reference.scenes.seeds import mixed_seed

_FIRST_SCENE = 1 << 40  # a seed. Trainings and accuracy data have smaller ones.
_ROUNDS = 2  # of a point, several points, a box, and a click that refines an answer
_SEVERAL = 3  # points
_LEAST_CROP = 0.5  # of the frame's side

# The inputs of a mask decoder after the image embeddings.
PromptTensors = tuple[Tensor, Tensor, Tensor, Tensor]


class Lessons:
    """Pictures and prompts, which depend only on the number of the step."""

    def __init__(self, frames: Sequence[Tensor], mask_size: int, prompt_slots: int) -> None:
        """Take what the lessons are about.

        Args:
            frames: the calibration photos as frames, float (1, 3, S, S), RGB in 0…255.
            mask_size: the side of a mask input in pixels.
            prompt_slots: number of prompt slots of the mask decoder.
        """
        self._frames, self._side = frames, frames[0].shape[-1]
        self._mask_size, self._slots = mask_size, prompt_slots

    def picture(self, step: int) -> Tensor:
        """Return the frame of a step, float (1, 3, S, S): a generated scene, or a piece of a photo."""
        if step % 2 == 0:
            return generate_scenes([_FIRST_SCENE + step], self._side).images.float()
        generator = _generator(step, "picture")
        frame = self._frames[step // 2 % len(self._frames)]
        if _random(generator) < 0.5:
            frame = frame.flip(3)
        side = int(self._side * (_LEAST_CROP + (1 - _LEAST_CROP) * _random(generator)))
        left, top = (int(_random(generator) * (self._side - side + 1)) for _ in range(2))
        piece = frame[:, :, top : top + side, left : left + side]
        return interpolate(piece, (self._side, self._side), mode="bilinear")

    def prompts(self, step: int, answer: Callable[[PromptTensors], Tensor]) -> list[PromptTensors]:
        """Return the prompts of a step: points, boxes, and clicks that refine an answer.

        Args:
            step: the number of the step.
            answer: the float model, which draws the low-resolution masks (1, 4, h, w) of a prompt.
        """
        generator = _generator(step, "prompts")
        prompts: list[PromptTensors] = []
        for _ in range(_ROUNDS):
            prompts.append(self._fill(self._points(1, generator), None, None))
            prompts.append(self._fill(self._points(_SEVERAL, generator), None, None))
            if self._slots > 1:
                prompts.append(self._fill(None, self._box(generator), None))
            refined = answer(prompts[-1])[:, :1]
            prompts.append(self._fill(self._points(1, generator), None, refined))
        return prompts

    def _points(self, count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return a point on the object, and more points on the object or the background."""
        count = min(count, self._slots)
        coords = self._side * torch.rand(1, count, 2, generator=generator)
        labels = torch.randint(LABEL_BACKGROUND, LABEL_OBJECT + 1, (1, count), generator=generator)
        labels[:, 0] = LABEL_OBJECT
        return coords, labels.float()

    def _box(self, generator: torch.Generator) -> Tensor:
        corners = self._side * torch.rand(2, 2, generator=generator)
        return torch.cat([corners.amin(0), corners.amax(0)])[None]

    def _fill(
        self, points: tuple[Tensor, Tensor] | None, box: Tensor | None, mask: Tensor | None
    ) -> PromptTensors:
        return fill_slots(self._slots, self._mask_size, points, box, mask).tensors


def _generator(step: int, purpose: str) -> torch.Generator:
    return torch.Generator().manual_seed(mixed_seed(2 * step + (purpose == "prompts")))


def _random(generator: torch.Generator) -> float:
    return torch.rand((), generator=generator).item()
