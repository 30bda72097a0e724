"""Runs TorchScript Lite files in the lite interpreter of another environment, such as an emulated processor."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from validation.artifacts.artifact import Artifact
from validation.documents.verdicts import Unavailable
from validation.engines.environments import ARM64, RUNTIME, Environment
from validation.stages import IMAGE_ENCODER, MASK_DECODER

if TYPE_CHECKING:
    from converters.prompt_slots import SlotPrompt
    from validation.engines.environments.lite_process import Calls, LiteProcess


def open_arm64(artifact: Artifact) -> "EnvironmentEngine | Unavailable":
    """Load an artifact's two files on an emulated Arm processor."""
    return _open(artifact, ARM64)


def open_runtime(artifact: Artifact) -> "EnvironmentEngine | Unavailable":
    """Load an artifact's two files in the version of the lite interpreter that phones have."""
    return _open(artifact, RUNTIME)


class EnvironmentEngine:
    """An ``Engine`` in another environment, with as many threads as torch has in this process.

    Its process ends with this one, or when the engine is closed.

    Attributes:
        name: name of the engine for results, as in ``Engine``.
        calls: number of times that a module is called for one answer.
        last: times and instruction counts of the calls for the last answer; None before the first.
    """

    calls: int = 1
    last: "Calls | None" = None

    def __init__(self, interpreter: "LiteProcess") -> None:
        """Take a process that has loaded an artifact."""
        self._interpreter = interpreter
        self.name = interpreter.name

    def encode(self, frame: Tensor) -> Tensor:
        (image_embeddings,) = self._run(IMAGE_ENCODER, frame)
        return image_embeddings

    def decode(self, image_embeddings: Tensor, prompt: "SlotPrompt") -> tuple[Tensor, Tensor]:
        low_res_masks, iou_predictions = self._run(MASK_DECODER, image_embeddings, *prompt.tensors)
        return low_res_masks, iou_predictions

    def close(self) -> None:
        """End the process."""
        self._interpreter.close()

    def _run(self, component: str, *inputs: Tensor) -> list[Tensor]:
        arrays = [tensor.detach().numpy() for tensor in inputs]
        self.last = self._interpreter.run(component, arrays, self.calls)
        return [torch.from_numpy(array) for array in self.last.outputs]


def _open(artifact: Artifact, environment: Environment) -> EnvironmentEngine | Unavailable:
    missing = environment.missing()
    if missing is not None:
        return Unavailable(missing)
    from validation.engines.environments.lite_process import LiteProcess

    interpreter = LiteProcess(environment, torch.get_num_threads())
    try:
        interpreter.load(artifact)
    except BaseException:
        interpreter.close()
        raise
    return EnvironmentEngine(interpreter)
