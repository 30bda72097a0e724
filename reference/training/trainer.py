"""The training loop: a batch, a step of Muon and AdamW, an average of the weights; resumable to the bit.

Everything that is drawn at random is drawn from the seed, the step and the process, so a training that was killed goes
on from its last state as if nothing had been.
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
GRADIENT_NORM = 1.0  # at most
ADAM_BETAS = (0.9, 0.98)
_SEED_BITS = 32  # of a picture's number in a training; the training's own seed is above them


class Task(Protocol):
    """What is learned, from what.

    Attributes:
        module: called with a batch and the generator, it gives the loss and figures for the log. Its parameters are the
            model's.
    """

    module: nn.Module

    def batches(self, numbers: Iterable[range]) -> Iterator[object]:
        """A batch for each range of pictures' numbers, which alone say what is in it."""
        ...


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    Attributes:
        steps: of the optimizer.
        pictures: per step and process.
        learning_rate: at its highest, after the warm-up; it then falls to 0 along a cosine.
        warmup: steps.
        weight_decay: of matrices and kernels; not of biases, norms and embeddings.
        average: decay of the moving average of the weights.
        seed: 0…255.
        bfloat16: compute in it, coordinates and losses excepted; for processors that have it in hardware.
        fixed_statistics: let batch normalization use the statistics that the weights came with, as it does
            once trained, and not each step's: those of a few large pictures are no good.
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
    """A model in training, and the folder that it is kept in."""

    def __init__(
        self, sam: Sam, task: Task, schedule: Schedule, folder: RunFolder, processes: Processes
    ) -> None:
        """Begin, or go on where ``folder`` was left.

        Args:
            sam: the model, on the process's device, with the weights to begin with.
            task: what it learns.
            schedule: how long and how fast.
            folder: where state, log and weights go; it exists.
            processes: this one, and how many others.

        Raises:
            TrainingError: the folder's state cannot be read.
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
            # Without corrections nothing is learned of mask inputs.
            self.module = DistributedDataParallel(task.module, find_unused_parameters=True)
        self.step = 0
        self._resume(folder.read_state())

    def train(self, save_every: int, on_log: Callable[[dict[str, float]], None]) -> None:
        """Go on to the last step, saving every ``save_every`` steps and at the end.

        ``on_log`` is called with every line of the log, means since the one before: "step", "loss", the task's
        figures, "learning_rate", "pictures_per_second" and "seconds_left".

        Raises:
            TrainingError: the loss is no longer a number; the last state is kept.
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
        """The pictures of this process in a step, counted over the whole training."""
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
        """A line from the figures of the last steps, at ``pace`` seconds a step."""
        means = {
            name: round(sum(float(figures[name]) for figures in taken) / len(taken), 5)
            for name in taken[0]
        }
        if not math.isfinite(means["loss"]):
            raise TrainingError(
                f"the loss is {means['loss']} after step {self.step}: begin again with a lower "
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
            self.folder.write_weights(self.average.module)  # first: it refuses what has diverged
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
    """Of a step, counted from 0: rising over the warm-up, then falling to 0 along a cosine."""
    if step < schedule.warmup:
        return schedule.learning_rate * (step + 1) / schedule.warmup
    done = (step - schedule.warmup) / max(1, schedule.steps - schedule.warmup)
    return schedule.learning_rate * (1 + math.cos(math.pi * done)) / 2


def _moving_average(decay: float) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """A decay that begins low, so that the random weights of the beginning are soon forgotten."""

    def update(average: Tensor, current: Tensor, count: Tensor) -> Tensor:
        keep = min(decay, (1 + int(count)) / (10 + int(count)))
        return average + (current - average) * (1 - keep)

    return update


def _optimizers(sam: nn.Module, schedule: Schedule) -> list[torch.optim.Optimizer]:
    """Muon for matrices that mix channels; AdamW for kernels of single channels, and without decay for all the rest."""
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
