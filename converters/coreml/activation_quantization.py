"""Letting the inputs of layers pass through int8."""

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from converters.quantization.weight_matrix import large_layers

_LARGEST = 127
# Candidates for the range of an input, relative to its largest magnitude.
_RANGES = torch.linspace(0.3, 1.0, 15).tolist()
# Decibels. An input that would lose more stays in float16: a few large values leave the others too few levels.
_LEAST_SQNR = 36.0
_SAMPLES = 2**16  # values of each input that the range is chosen for


class QuantizedInput:
    """Passes the input of a layer through int8, which the int8 arithmetic of the Neural Engine needs."""

    def __init__(self, scale: float) -> None:
        self._scale = scale

    def __call__(self, _layer: nn.Module, arguments: tuple[Tensor, ...]) -> Tensor:
        """Return the quantized input, as a hook that runs before the layer."""
        # Symmetric: int8 hardware runs no other kind.
        return torch.quantize_per_tensor(arguments[0], self._scale, 0, torch.qint8).dequantize()


class _ObservedInputs:
    """A hook that remembers the largest magnitude of a layer's inputs, and samples of them."""

    def __init__(self) -> None:
        self.largest = 0.0
        self._samples: list[Tensor] = []

    def __call__(self, _layer: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        (x,) = arguments
        self.largest = max(self.largest, x.abs().max().item())
        step = x.numel() // _SAMPLES | 1  # an odd step meets all columns of an image
        self._samples.append(x.flatten()[::step].clone())

    def scale(self) -> float | None:
        """Return the scale with the least square error, or None if int8 would lose too much."""
        if self.largest == 0:
            return None
        values = torch.cat(self._samples)
        scales = [factor * self.largest / _LARGEST for factor in _RANGES]
        errors = [(_rounded(values, scale) - values).square().sum() for scale in scales]
        least = int(torch.stack(errors).argmin())
        sqnr = 10 * torch.log10(values.square().sum() / errors[least])
        return scales[least] if sqnr >= _LEAST_SQNR else None


def _rounded(values: Tensor, scale: float) -> Tensor:
    return (values / scale).round().clamp(-_LARGEST, _LARGEST) * scale


@torch.no_grad()
def quantize_activations(module: nn.Module, inputs: Iterable[tuple[Tensor, ...]]) -> nn.Module:
    """Return a copy of ``module`` in which the inputs of large layers pass through int8, where int8 can hold them.

    The range of each input has the least square error on ``inputs``. Attention, softmax, normalizations and sums are
    not quantized.
    """
    module = copy.deepcopy(module)
    observed = {
        layer: _ObservedInputs()
        for layer in large_layers(module).values()
        if not isinstance(layer, nn.ConvTranspose2d)
    }
    hooks = [layer.register_forward_pre_hook(hook) for layer, hook in observed.items()]
    for tensors in inputs:
        module(*tensors)
    for hook in hooks:
        hook.remove()
    for layer, seen in observed.items():
        scale = seen.scale()
        if scale is not None:
            layer.register_forward_pre_hook(QuantizedInput(scale))
    return module
