"""The quantization schemes of TorchScript: how weights are stored.

Only the weights of linear layers and convolutions change. They are 98 % of the bytes. Norms, biases, positional tables
and attention biases stay float32. All schemes compute in float32. The int8 kernels of the phone's engine (qnnpack)
would round the activations to 8 bits too, which damages masks. They are not faster either: they multiply 16-bit
numbers, four in one instruction, which is what float32 kernels do.
"""

import copy
import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from converters.calibration import ComponentCalibration
from converters.quantization.quantized_weight import QuantizedWeight
from converters.quantization.weight_formats import Integers, WeightFormat
from converters.quantization.weight_matrix import large_layers

# The scheme int8 stores smaller layers in float16. These are the early layers at high resolution and the attention
# projections of the mask decoder. They hold an eighth of the weights, and would cause half of the noise.
MIN_INT8_WEIGHTS = 65_536
_LARGEST_HALF = torch.finfo(torch.float16).max
# A layer whose largest weight is smaller would store most of its weights as subnormal numbers.
_SMALLEST_HALVES = 2.0**-10
_LAYERS = (nn.Linear, nn.Conv2d)
CANDIDATE_FORMATS = (
    Integers(4, 32),
    Integers(8),
)  # how the scheme auto may store a weight, besides float16


def weight_formats(module: nn.Module, scheme: str) -> dict[str, WeightFormat]:
    """Return path of a layer → how its weight is stored, for the layers with few bits."""
    if scheme != "int8":
        return {}
    return {
        path: Integers(8)
        for path, layer in large_layers(module).items()
        if layer.weight.numel() >= MIN_INT8_WEIGHTS
    }


def quantize(
    module: nn.Module,
    scheme: str,
    formats: Mapping[str, WeightFormat],
    calibration: ComponentCalibration,
) -> nn.Module:
    """Return a copy of ``module`` whose weights are stored by ``scheme``.

    Args:
        module: an export module. It is not changed.
        scheme: the quantization scheme. ``none`` stores all weights as float32.
        formats: path of a layer → how its weight is stored. The others are float16.
        calibration: what the layers read, for the rounding.
    """
    module = copy.deepcopy(module).requires_grad_(False)
    if scheme == "none":
        return module
    rounded = calibration.round_weights(module, formats)
    for path, layer in list(module.named_modules()):
        if isinstance(layer, _LAYERS):
            storage = _storage(rounded[path]) if path in rounded else HalfWeight(layer.weight)
            parametrize.register_parametrization(layer, "weight", storage)
    return module


def _storage(weight: QuantizedWeight) -> nn.Module:
    return Int8Weight(weight) if weight.format.bits == 8 else Int4Weight(weight)


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

    def __init__(self, quantized: QuantizedWeight) -> None:
        super().__init__()
        self._stored = quantized.codes, quantized.scales

    def right_inverse(self, _weight: Tensor) -> tuple[Tensor, Tensor]:
        """Return the stored tensors."""
        return self._stored

    def forward(self, stored: Tensor, scales: Tensor) -> Tensor:
        return stored.float() * scales


class Int4Weight(nn.Module):
    """A parametrization that stores a weight (out, in, …) in int4, two in a byte, and uses it in float32.

    The integers are stored with 8 added. Blocks of input channels share a scale, which is stored in float16.
    """

    def __init__(self, quantized: QuantizedWeight) -> None:
        super().__init__()
        self._shape = quantized.codes.shape
        pairs = (quantized.codes + 8).to(torch.uint8).flatten(1).unflatten(1, (-1, 2))
        packed = pairs[:, :, 0] | pairs[:, :, 1] << 4
        self._stored = packed, quantized.scales.flatten(1)[:, :, None].half()

    def right_inverse(self, _weight: Tensor) -> tuple[Tensor, Tensor]:
        """Return the stored tensors: two integers in a byte (out, in … / 2), and scales (out, blocks, 1)."""
        return self._stored

    def forward(self, packed: Tensor, scales: Tensor) -> Tensor:
        codes = torch.stack([packed & 15, packed >> 4], 2).flatten(1).float() - 8
        return (codes.unflatten(1, (scales.shape[1], -1)) * scales.float()).reshape(self._shape)
