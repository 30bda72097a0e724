"""The training loop: take a batch, make a step of Muon and AdamW, and average the weights.

All random numbers depend only on the seed, the step and the process. A training that was killed therefore continues
from its last state with exactly the same results.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from reference.common.errors import TrainingError
from reference.modeling.sam import Sam
from reference.scenes.seeds import mixed_seed
from reference.training.muon import Muon
from reference.training.processes import Processes
from reference.training.run_folder import RunFolder

LOG_EVERY = 20  # steps
GRADIENT_NORM = 1.0  # gradients are clipped to this norm
ADAM_BETAS = (0.9, 0.98)
_SEED_BITS = 32  # bits for a picture's number; the seed of the training lies above them


class Task(Protocol):
    """A loss, and the batches on which it is computed.

    Attributes:
        module: takes a batch and a generator, and returns the loss and figures for the log. Its parameters are those of
            the model.
    """

    module: nn.Module

    def batches(self, numbers: Iterable[range]) -> Iterator[object]:
        """Yield a batch for each range of picture numbers. A batch depends only on these numbers."""
        ...


@dataclass(frozen=True)
class Schedule:
    """The length and speed of a training.

    Attributes:
        steps: number of optimizer steps.
        pictures: number of pictures per step and process.
        learning_rate: highest learning rate, reached after the warm-up. It then falls to 0 along a cosine.
        warmup: number of warm-up steps.
        weight_decay: weight decay of matrices and kernels. Biases, norms and embeddings have none.
        average: decay of the moving average of the weights.
        seed: seed of the training, 0…255.
        bfloat16: whether to compute in bfloat16, except coordinates and losses. It suits processors that have bfloat16
            in hardware.
        fixed_statistics: whether batch normalization uses the statistics of the initial weights instead of those of
            each step. The statistics of a few large pictures are too noisy.
    """

    steps: int
    pictures: int
    learning_rate: float
    warmup: int = 50
    weight_decay: float = 0.05
    average: float = 0.999
    seed: int = 0
    bfloat16: bool = False
    fixed_statistics: bool = False


class Trainer:
    """A model in training, and the folder in which it is saved."""

    def __init__(
        self, sam: Sam, task: Task, schedule: Schedule, folder: RunFolder, processes: Processes
    ) -> None:
        """Start a training, or continue the one in ``folder``.

        Args:
            sam: the model with its initial weights, on the device of the process.
            task: the loss and the batches.
            schedule: the length and speed of the training.
            folder: the existing folder for the state, the log and the weights.
            processes: this process and the number of all processes.

        Raises:
            TrainingError: the state in the folder cannot be read.
        """
        self.sam, self.task, self.schedule = sam.train(), task, schedule
        if schedule.fixed_statistics:
            _fix_statistics(sam)
        self.folder, self.processes = folder, processes
        self.average = AveragedModel(
            sam, avg_fn=_moving_average(schedule.average), use_buffers=True
        )
        self.optimizers = _optimizers(sam, schedule)
        self.module = task.module
        if processes.count > 1:
            # Without corrective clicks, the parameters for mask inputs get no gradient.
            self.module = DistributedDataParallel(task.module, find_unused_parameters=True)
        self.step = 0
        self._resume(folder.read_state())

    def train(self, save_every: int, on_log: Callable[[dict[str, float]], None]) -> None:
        """Train up to the last step, and save every ``save_every`` steps and at the end.

        ``on_log`` is called with every line of the log: "step", "loss", the figures of the task, "learning_rate",
        "pictures_per_second" and "seconds_left". The loss and the figures are means since the line before.

        Raises:
            TrainingError: the loss is NaN or infinite. The last saved state is kept.
        """
        begun, first = time.monotonic(), self.step
        taken: list[dict[str, Tensor]] = []
        numbers = [self._numbers(step) for step in range(first, self.schedule.steps)]
        for batch, pictures in zip(self.task.batches(numbers), numbers, strict=True):
            taken.append(self._take_step(batch, pictures.start))
            at_end = self.step == self.schedule.steps
            if self.step % LOG_EVERY == 0 or at_end:
                pace = (time.monotonic() - begun) / (self.step - first)
                on_log(self._log(taken, pace))
                taken = []
            if self.step % save_every == 0 or at_end:
                self._save()

    def _numbers(self, step: int) -> range:
        """Return the numbers of the pictures of this process in a step, counted over the whole training."""
        pictures = self.schedule.pictures
        first = (step * self.processes.count + self.processes.rank) * pictures
        first += self.schedule.seed << _SEED_BITS
        return range(first, first + pictures)

    def _take_step(self, batch: object, seed: int) -> dict[str, Tensor]:
        device = self.processes.device
        generator = torch.Generator(device).manual_seed(mixed_seed(seed))
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(self.schedule, self.step)
        with torch.autocast(device.type, torch.bfloat16, enabled=self.schedule.bfloat16):
            loss, figures = self.module(batch, generator)
        self.sam.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.sam.parameters(), GRADIENT_NORM)
        for optimizer in self.optimizers:
            optimizer.step()
        self.average.update_parameters(self.sam)
        self.step += 1
        return {"loss": loss.detach(), **figures}

    def _log(self, taken: list[dict[str, Tensor]], pace: float) -> dict[str, float]:
        """Log the means of the figures of the last steps, at ``pace`` seconds per step."""
        means = {
            name: round(sum(float(figures[name]) for figures in taken) / len(taken), 5)
            for name in taken[0]
        }
        if not math.isfinite(means["loss"]):
            raise TrainingError(
                f"the loss is {means['loss']} after step {self.step}: start again with a lower "
                "--learning-rate"
            )
        pictures = self.schedule.pictures * self.processes.count
        metrics = {
            "step": self.step,
            **means,
            "learning_rate": learning_rate(self.schedule, self.step - 1),
            "pictures_per_second": round(pictures / pace, 2),
            "seconds_left": round(pace * (self.schedule.steps - self.step)),
        }
        if self.processes.is_first:
            self.folder.log(metrics)
        return metrics

    def _save(self) -> None:
        if self.processes.is_first:
            self.folder.write_weights(self.average.module)  # comes first because it refuses NaN
            self.folder.write_state(
                {
                    "step": self.step,
                    "model": self.sam.state_dict(),
                    "average": self.average.state_dict(),
                    "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
                }
            )
        self.processes.wait()

    def _resume(self, state: dict | None) -> None:
        if state is None:
            return
        self.step = state["step"]
        self.sam.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        for optimizer, kept in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)
        if self.processes.is_first:
            self.folder.forget_after(self.step)


def _fix_statistics(sam: nn.Module) -> None:
    for module in sam.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def learning_rate(schedule: Schedule, step: int) -> float:
    """Return the learning rate of a step, counted from 0.

    It rises during the warm-up, and then falls to 0 along a cosine.
    """
    if step < schedule.warmup:
        return schedule.learning_rate * (step + 1) / schedule.warmup
    done = (step - schedule.warmup) / max(1, schedule.steps - schedule.warmup)
    return schedule.learning_rate * (1 + math.cos(math.pi * done)) / 2


def _moving_average(decay: float) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """Return the update of the average. Its decay begins low, so that the initial weights are soon forgotten."""

    def update(average: Tensor, current: Tensor, count: Tensor) -> Tensor:
        keep = min(decay, (1 + int(count)) / (10 + int(count)))
        return average + (current - average) * (1 - keep)

    return update


def _optimizers(sam: nn.Module, schedule: Schedule) -> list[torch.optim.Optimizer]:
    """Return Muon for matrices that mix channels, and AdamW for the other parameters.

    AdamW decays the kernels of single channels, and no other parameters.
    """
    matrices, kernels, others = [], [], []
    for module in sam.modules():
        is_layer = isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)
        for name, parameter in module.named_parameters(recurse=False):
            if not is_layer or name != "weight":
                others.append(parameter)
            elif parameter.ndim == 4 and parameter.shape[1] == 1:
                kernels.append(parameter)
            else:
                matrices.append(parameter)
    groups = [
        {"params": kernels, "weight_decay": schedule.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return [
        Muon(matrices, schedule.learning_rate, schedule.weight_decay),
        torch.optim.AdamW(groups, schedule.learning_rate, betas=ADAM_BETAS),
    ]
