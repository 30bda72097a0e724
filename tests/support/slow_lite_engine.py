"""An engine whose encoder is a small .ptl file that runs for about a second without a pause."""

import io

import torch
from torch import nn
from torch.jit.mobile import _load_for_lite_interpreter

from tests.support.faulty_engines import FaultyEngine


class _ManyProducts(nn.Module):
    def forward(self, matrix: torch.Tensor) -> torch.Tensor:
        product = matrix
        for _ in range(300):
            product = product @ matrix
        return product


class SlowLiteEngine(FaultyEngine):
    name = "slow"

    def __init__(self):
        super().__init__(fault=lambda: None)
        file = torch.jit.script(_ManyProducts())._save_to_buffer_for_lite_interpreter()
        self._module = _load_for_lite_interpreter(io.BytesIO(file))

    def encode(self, frame):
        self._module(torch.eye(512))
        return super().encode(frame)


def open_engine(artifact):
    return SlowLiteEngine()
