"""Letting the inputs of layers pass through int8."""

import copy
from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

from converters.coreml.schemes import LARGE_WEIGHT


class QuantizedInput(nn.Module):
    """A layer whose input passes through int8, which the int8 arithmetic of the Neural Engine needs."""

    def __init__(self, layer: nn.Module, largest_input: float) -> None:
        super().__init__()
        self.layer = layer
        self.scale = largest_input / 127  # symmetric: int8 hardware runs no other kind

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(torch.quantize_per_tensor(x, self.scale, 0, torch.qint8).dequantize())


@torch.no_grad()
def quantize_activations(module: nn.Module, inputs: Iterable[tuple[Tensor, ...]]) -> nn.Module:
    """Return a copy of ``module`` whose large linear layers and convolutions take int8 inputs.

    The range of each layer input is its largest magnitude on ``inputs``.
    """
    module = copy.deepcopy(module)
    layers = {
        name: layer
        for name, layer in module.named_modules()
        if isinstance(layer, (nn.Linear, nn.Conv2d)) and layer.weight.numel() > LARGE_WEIGHT
    }
    largest = dict.fromkeys(layers, 0.0)

    def observe(name: str) -> Callable:
        def hook(_layer: nn.Module, arguments: tuple[Tensor, ...]) -> None:
            largest[name] = max(largest[name], arguments[0].abs().max().item())

        return hook

    hooks = [layer.register_forward_pre_hook(observe(name)) for name, layer in layers.items()]
    for tensors in inputs:
        module(*tensors)
    for hook in hooks:
        hook.remove()
    for name, layer in layers.items():
        if largest[name] > 0:
            module.set_submodule(name, QuantizedInput(layer, largest[name]))
    return module
