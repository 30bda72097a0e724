"""A fixed computation that serves as the unit of time for latencies.

A machine that runs an artifact twice as fast also runs this work nearly twice as fast. A baseline
therefore keeps the ratio of the two times. docs/regression.md says how stable that ratio is.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from converters.io_spec import image_encoder_spec, mask_decoder_spec
from converters.prompt_slots import SlotPrompt
from validation.artifacts.artifact import Artifact

VERSION = 1  # changes with the work, because ratios to different work cannot be compared
_SEED = 0


@dataclass(frozen=True)
class Work:
    """The tensors of the work. It has a thirtieth of the full-size encoder's multiply-adds and activations.

    Attributes:
        tokens: float32 (1024, 320), the input of linear layers 320 → 1280 → 320. They are two thirds
            of the multiply-adds.
        widen: float32 (1280, 320), the weights of the first linear layer.
        narrow: float32 (320, 1280), the weights of the second linear layer.
        scores: float32 (16, 196, 196), the input of attention in windows of 14, a tenth of the
            multiply-adds.
        grid: float32 (1, 64, 192, 192), the input of three convolutions, a quarter of the
            multiply-adds.
        pointwise: float32 (64, 64, 1, 1), the weights of the first convolution.
        depthwise: float32 (64, 1, 3, 3), the weights of the second convolution.
        dense: float32 (32, 64, 3, 3), the weights of the third convolution, which has stride 2.
        field: float32 (1, 64, 368, 368). For tensors above 32 MiB, glibc takes fresh memory from the
            system each time, as it does for the activations of the encoder's first layers.
    """

    tokens: Tensor
    widen: Tensor
    narrow: Tensor
    scores: Tensor
    grid: Tensor
    pointwise: Tensor
    depthwise: Tensor
    dense: Tensor
    field: Tensor


def make_work() -> Work:
    """Make the tensors, with the same numbers on every machine."""
    generator = torch.Generator().manual_seed(_SEED)

    def numbers(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator) / 16

    return Work(
        tokens=numbers(1024, 320),
        widen=numbers(1280, 320),
        narrow=numbers(320, 1280),
        scores=numbers(16, 196, 196),
        grid=numbers(1, 64, 192, 192),
        pointwise=numbers(64, 64, 1, 1),
        depthwise=numbers(64, 1, 3, 3),
        dense=numbers(32, 64, 3, 3),
        field=numbers(1, 64, 368, 368),
    )


@torch.no_grad()
def do(work: Work) -> Tensor:
    """Run the encoder's kinds of operators in float32. The result depends on all of them."""
    hidden = F.gelu(F.linear(work.tokens, work.widen))  # (1024, 1280)
    tokens = F.linear(hidden, work.narrow) + work.tokens
    attention = torch.softmax(work.scores @ work.scores, dim=-1)  # (16, 196, 196)
    grid = F.conv2d(work.grid, work.pointwise)
    grid = F.conv2d(grid, work.depthwise, padding=1, groups=len(work.depthwise)) + work.grid
    dense = F.conv2d(grid, work.dense, stride=2, padding=1)  # (1, 32, 96, 96)
    copy = grid.permute(0, 2, 3, 1).contiguous()  # (1, 192, 192, 64)
    field = F.gelu(work.field)
    return sum(result.mean() for result in (tokens, attention, dense, copy, field))


class Calibration:
    """An ``Engine`` that does the work instead of running an artifact's two modules."""

    name = f"calibration {VERSION}"

    def __init__(self, artifact: Artifact) -> None:
        """Prepare answers with the shapes of ``artifact``'s outputs."""
        (embeddings,) = image_encoder_spec(artifact.variant).outputs
        answers = mask_decoder_spec(artifact.variant, artifact.prompt_slots).outputs
        self._embeddings = torch.zeros(embeddings.shape)
        self._answers = tuple(torch.zeros(answer.shape) for answer in answers)
        self._work = make_work()

    def encode(self, frame: Tensor) -> Tensor:
        do(self._work)
        return self._embeddings

    def decode(self, image_embeddings: Tensor, prompt: SlotPrompt) -> tuple[Tensor, ...]:
        do(self._work)
        return self._answers


def open_engine(artifact: Artifact) -> Calibration:
    """Open the engine. ``engines.open_first`` calls this."""
    return Calibration(artifact)
