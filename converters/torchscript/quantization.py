"""The quantization schemes of TorchScript: how weights are stored, and which kernels compute with them.

Only the weights of linear layers and convolutions change. They are 98 % of the bytes. Norms, biases, positional tables
and attention biases stay float32.

The tables show the mean and lowest IoU of ``int8`` against float32 at the size of the photo. They cover the four masks
of twelve prompts on three photos. The weights are seeded random ones, which magnify all noise:

    linear layers int8 kernels, a scale per output; convolutions half          0.956  0.847
      but convolutions' weights stored int8, too                               0.927  0.694
      but one scale per layer                                                  0.920  0.686
    chosen: layers under 65,536 weights half, larger linear layers int8
      kernels, larger convolutions' weights stored int8, computed in float32   0.962  0.847

Kernels for int8 convolutions round the activations to 8 bits too, which damages the masks more than in linear layers.
With only the three large convolutions of the encoder in int8:

    weights stored int8, computed in float32 (chosen)                          0.982  0.888
    quantized::conv2d, calibrated on the same photos                           0.962  0.857
    quantized::conv2d_dynamic                                                  0.629  0.147
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
_INT8_MAX = 127  # symmetric, because per-channel weights in qnnpack have no zero point
# Weight decay leaves weights of 1e-44 in dead outputs. qnnpack needs their scale and its product with the scale of the
# activations, and both would be rounded to zero.
_SMALLEST_SCALE = 2.0**-64
_LAYERS = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


def quantize(module: nn.Module, scheme: str, min_int8_weights: int = MIN_INT8_WEIGHTS) -> nn.Module:
    """Return a copy of ``module`` whose weights are stored by ``scheme``.

    The scheme ``int8`` must be used inside ``phone_engine``. It stores layers with fewer weights than
    ``min_int8_weights`` in float16.
    """
    module = copy.deepcopy(module).requires_grad_(False)
    if scheme == "none":
        return module
    if scheme == "int8":
        _use_int8_linears(module, min_int8_weights)
    for layer in list(module.modules()):
        if isinstance(layer, _LAYERS):
            is_large = layer.weight.numel() >= min_int8_weights
            in_int8 = scheme == "int8" and isinstance(layer, nn.Conv2d) and is_large
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


class DynamicInt8Linear(nn.Module):
    """A linear layer in int8, with symmetric weights and a scale per output.

    The range of the activations is measured on every call, so no calibration photos are needed.
    """

    def __init__(self, original: nn.Linear) -> None:
        super().__init__()
        self.in_features = original.in_features
        self.out_features = original.out_features
        weight = original.weight.detach()
        scales = _scales_per_output(weight).double()
        zero_points = torch.zeros(len(weight), dtype=torch.int64)
        stored = torch.quantize_per_channel(weight, scales, zero_points, 0, torch.qint8)
        self.packed = torch.ops.quantized.linear_prepack(stored, original.bias)

    def forward(self, x: Tensor) -> Tensor:
        # reduce_range would give activations 7 bits, for the 16-bit sums of old x86 CPUs. qnnpack ignores it, and
        # prints a warning in every process that sets it.
        return torch.ops.quantized.linear_dynamic(x, self.packed, reduce_range=False)


def _scales_per_output(weight: Tensor) -> Tensor:
    """Return the scales (out,) of a weight (out, …), with which the largest weight of an output becomes ±127.

    An output whose weights nearly vanish gets ``_SMALLEST_SCALE``.
    """
    largest = weight.abs().flatten(1).amax(1)
    return torch.where(largest > 0, (largest / _INT8_MAX).clamp(min=_SMALLEST_SCALE), 1.0)


def _use_int8_linears(module: nn.Module, min_weights: int) -> None:
    """Replace every linear layer of at least ``min_weights`` weights by DynamicInt8Linear, in place."""
    for name, child in module.named_children():
        if isinstance(child, nn.Linear) and child.weight.numel() >= min_weights:
            setattr(module, name, DynamicInt8Linear(child))
        else:
            _use_int8_linears(child, min_weights)
