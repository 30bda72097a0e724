"""The quantization schemes of TorchScript: how weights are stored.

Only the weights of linear layers and convolutions change. They are 98 % of the bytes. Norms, biases, positional tables
and attention biases stay float32. All schemes compute in float32. The int8 kernels of the phone's engine (qnnpack)
would round the activations to 8 bits too, which damages masks. They are not faster either: they multiply 16-bit
numbers, four in one instruction, which is what float32 kernels do.
"""

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

# The scheme int8 stores smaller layers in float16. These are the early layers at high resolution and the attention
# projections of the mask decoder. They hold an eighth of the weights, and would cause half of the noise.
MIN_INT8_WEIGHTS = 65_536
_LARGEST_HALF = torch.finfo(torch.float16).max
# A layer whose largest weight is smaller would store most of its weights as subnormal numbers.
_SMALLEST_HALVES = 2.0**-10
_INT8_MAX = 127
# Weight decay leaves weights of 1e-44 in dead outputs. Their scale would be rounded to zero.
_SMALLEST_SCALE = 2.0**-64
_LAYERS = (nn.Linear, nn.Conv2d)


def quantize(module: nn.Module, scheme: str, min_int8_weights: int = MIN_INT8_WEIGHTS) -> nn.Module:
    """Return a copy of ``module`` whose weights are stored by ``scheme``.

    The scheme ``int8`` stores layers with fewer weights than ``min_int8_weights`` in float16.
    """
    module = copy.deepcopy(module).requires_grad_(False)
    if scheme == "none":
        return module
    for layer in list(module.modules()):
        if isinstance(layer, _LAYERS):
            is_large = layer.weight.numel() >= min_int8_weights
            in_int8 = scheme == "int8" and is_large
            storage = Int8Weight() if in_int8 else HalfWeight(layer.weight)
            parametrize.register_parametrization(layer, "weight", storage)
    return module


class HalfWeight(nn.Module):
    """A parametrization that stores a weight in float16 and uses it in float32.

    Weights that float16 cannot hold, or holds with few digits, are divided by a power of two. The cast is in
    ``forward``, so that tracing records it as an operation on the stored tensor.
    """

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        largest = weight.abs().max().item()
        is_in_range = largest == 0 or _SMALLEST_HALVES <= largest <= _LARGEST_HALF
        self.factor = 1.0 if is_in_range else 2.0 ** math.floor(math.log2(largest))

    def right_inverse(self, weight: Tensor) -> tuple[Tensor]:
        """Convert a float32 weight to the stored tensor. It is in a tuple because a lone tensor must keep its dtype."""
        return ((weight / self.factor).half(),)

    def forward(self, stored: Tensor) -> Tensor:
        weight = stored.float()
        return weight if self.factor == 1 else weight * self.factor


class Int8Weight(nn.Module):
    """A parametrization that stores a weight (out, …) in int8 with a scale per output, and uses it in float32."""

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        scales = _scales_per_output(weight).reshape(-1, *[1] * (weight.dim() - 1))
        return (weight / scales).round().to(torch.int8), scales

    def forward(self, stored: Tensor, scales: Tensor) -> Tensor:
        return stored.float() * scales


def _scales_per_output(weight: Tensor) -> Tensor:
    """Return the scales (out,) of a weight (out, …), with which the largest weight of an output becomes ±127.

    An output whose weights nearly vanish gets ``_SMALLEST_SCALE``.
    """
    largest = weight.abs().flatten(1).amax(1)
    return torch.where(largest > 0, (largest / _INT8_MAX).clamp(min=_SMALLEST_SCALE), 1.0)
