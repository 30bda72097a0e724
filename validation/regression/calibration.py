"""A fixed piece of work in an artifact's place, to whose time latencies are in relation.

A machine that is twice as fast is so for the artifact and, nearly, for this work: their ratio is what
a baseline keeps. docs/regression.md says how nearly.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from converters.io_spec import image_encoder_spec, mask_decoder_spec
from converters.prompt_slots import SlotPrompt
from validation.artifacts.artifact import Artifact

VERSION = 1  # of the work: ratios to another one cannot be compared
_SEED = 0


@dataclass(frozen=True)
class Work:
    """What is computed on: a thirtieth of the full-size image encoder's multiply-adds and activations.

    Attributes:
        tokens: float32 (1024, 320), of linear layers 320 → 1280 → 320: two thirds of the multiply-adds.
        widen: (1280, 320), weights of the first.
        narrow: (320, 1280), weights of the second.
        scores: float32 (16, 196, 196), of attention in windows of 14: a tenth.
        grid: float32 (1, 64, 192, 192), of three convolutions: a quarter.
        pointwise: (64, 64, 1, 1), weights of the first.
        depthwise: (64, 1, 3, 3), weights of the second.
        dense: (32, 64, 3, 3), weights of the third, of stride 2.
        field: float32 (1, 64, 368, 368). What is as large as that is given fresh memory from the
            system each time (glibc: above 32 MiB), as the activations of the encoder's first layers are.
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
    """The same numbers on every machine."""
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
    """The encoder's kinds of operators, in float32; gives one number, so that none is left out."""
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
    """An ``Engine`` that does the work in place of each of an artifact's two modules."""

    name = f"calibration {VERSION}"

    def __init__(self, artifact: Artifact) -> None:
        """For ``artifact``, whose outputs' shapes the answers have."""
        (embeddings,) = image_encoder_spec(artifact.variant).outputs
        answers = mask_decoder_spec(artifact.variant, artifact.prompt_slots).outputs
        self._embeddings = torch.zeros(embeddings.shape)
        self._answers = tuple(torch.zeros(answer.shape) for answer in answers)
        self._work = make_work()

    def encode(self, frame: Tensor) -> Tensor:
        """See ``Engine``."""
        do(self._work)
        return self._embeddings

    def decode(self, image_embeddings: Tensor, prompt: SlotPrompt) -> tuple[Tensor, ...]:
        """See ``Engine``."""
        do(self._work)
        return self._answers


def open_engine(artifact: Artifact) -> Calibration:
    """An engine as ``engines.open_first`` opens it."""
    return Calibration(artifact)
