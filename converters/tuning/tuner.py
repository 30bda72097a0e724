"""Tuning a quantized model by distillation: its answers are drawn towards those of the float model.

No labels are needed, because the float model is the teacher. Quantized weights stay as they were rounded, so the files
keep their size. Biases, normalizations and small layers learn to make up for the rounding.
"""

import math
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Adam

from converters.quantization.quantized_weight import QuantizedWeight
from converters.tuning.lessons import Lessons
from converters.tuning.loss import answer_loss, relative_error
from converters.tuning.state import TuningState
from converters.tuning.trainable_module import TrainableModule
from reference.common.progress import OnStep

# The highest relative change per step, for a loss of 1. Smaller errors need smaller changes: the loss is their square.
_LEARNING_RATE = 3e-4
_FIRST = 4  # pictures whose loss before any step sets the learning rate
_WARMUP = 10  # steps
_BETAS = (0.9, 0.98)
_SAVE_EVERY = 10  # steps

COMPONENTS = ("image_encoder", "mask_decoder")
# Component → path of a layer → its quantized weight.
Weights = Mapping[str, Mapping[str, QuantizedWeight]]


class Tuner:
    """A quantized model that is tuned step by step."""

    def __init__(
        self,
        modules: Mapping[str, nn.Module],
        weights: Weights,
        targets: Mapping[str, nn.Module],
        lessons: Lessons,
        state_file: Path,
    ) -> None:
        """Start, or go on where the state in a file ends.

        Args:
            modules: component → its export module. It teaches with float weights, and learns with quantized ones.
            weights: the quantized weights.
            targets: component → the module of the format, which gets what was learned.
            lessons: the pictures and prompts.
            state_file: where the state is kept between steps. It belongs to this model and these lessons alone.
        """
        self._teachers, self._targets, self._lessons = modules, targets, lessons
        self._state = TuningState(state_file)
        self._students = {
            name: TrainableModule(modules[name], weights[name], targets[name])
            for name in COMPONENTS
        }
        changes = {
            f"{name}.{key}": change
            for name, student in self._students.items()
            for key, change in student.changes.items()
        }
        self._optimizer = Adam(changes.values(), betas=_BETAS)
        self._done = self._state.restore(changes, self._optimizer)
        self._changes = changes

    def tune(self, steps: int, on_step: OnStep) -> None:
        """Take the steps up to number ``steps``, and give the targets what was learned.

        ``on_step`` is called with the name of each step when it begins.

        Raises:
            OutputError: the state cannot be written.
        """
        if self._done == 0:
            on_step("tuning")
            highest = _LEARNING_RATE * self._first_loss() ** 0.5
            for group in self._optimizer.param_groups:
                group["initial_lr"] = highest  # a part of the state
        for step in range(self._done, steps):
            on_step(f"tuning {step + 1} of {steps}")
            self._take_step(step, steps)
            self._done = step + 1
            if self._done % _SAVE_EVERY == 0 or self._done == steps:
                self._state.save(self._done, self._changes, self._optimizer)
        for name, student in self._students.items():
            student.copy_to(self._targets[name])

    @torch.no_grad()
    def _first_loss(self) -> float:
        return sum(self._loss(step).item() for step in range(_FIRST)) / _FIRST

    def _take_step(self, step: int, steps: int) -> None:
        for group in self._optimizer.param_groups:
            group["lr"] = group["initial_lr"] * _share_of_rate(step, steps)
        with torch.enable_grad():
            loss = self._loss(step)
        self._optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self._changes.values(), 1.0)
        self._optimizer.step()

    def _loss(self, step: int) -> Tensor:
        """Return the loss of the picture and the prompts of a step."""
        frame = self._lessons.picture(step)
        teaching_encoder, teaching_decoder = (self._teachers[name] for name in COMPONENTS)
        with torch.no_grad():
            wanted = teaching_encoder(frame)
            prompts = self._lessons.prompts(
                step, lambda prompt: teaching_decoder(wanted, *prompt)[0]
            )
            answers = [teaching_decoder(wanted, *prompt) for prompt in prompts]
        encoder, decoder = (self._students[name] for name in COMPONENTS)
        found = encoder(frame)
        losses = [
            answer_loss(decoder(found, *prompt), answer)
            for prompt, answer in zip(prompts, answers, strict=True)
        ]
        return relative_error(found, wanted) + sum(losses) / len(losses)


def _share_of_rate(step: int, steps: int) -> float:
    """Return the learning rate of a step, relative to the highest one. It rises, and then falls along a cosine."""
    falling = (1 + math.cos(math.pi * step / steps)) / 2
    return min(1.0, (step + 1) / _WARMUP) * falling
