"""The quantization schemes of Core ML: how a package stores its weights and computes."""

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import coremltools.optimize.coreml as cto
import torch
from torch import Tensor, nn

from converters.coreml.passes import Compression

# Weights with more elements than this are compressed. All others together are under 1 % of the file.
LARGE_WEIGHT = 4096
WEIGHTED_OPS = ("conv", "conv_transpose", "linear")
INT4_BLOCK = 32  # consecutive inputs of one output channel that share a scale


@dataclass(frozen=True)
class Scheme:
    """One quantization scheme.

    Attributes:
        name: the name of the scheme.
        meaning: one line that says how weights are stored. It is part of the metadata of a package.
        minimum_target: the lowest deployment target that has the operations of the scheme.
        compression: the graph pass that compresses the weights, or None.
        computes_float16: whether activations are float16.
        quantizes_activations: whether the inputs of large layers pass through int8.
    """

    name: str
    meaning: str
    minimum_target: str
    compression: Compression | None = None
    computes_float16: bool = True
    quantizes_activations: bool = False


def _kernels_only(config: object) -> cto.OptimizationConfig:
    """Apply ``config`` to the kernels of linear layers and convolutions, and to no other constant."""
    return cto.OptimizationConfig(op_type_configs=dict.fromkeys(WEIGHTED_OPS, config))


def _linear(dtype: str, granularity: str) -> Compression:
    config = cto.OpLinearQuantizerConfig(
        mode="linear_symmetric",
        dtype=dtype,
        granularity=granularity,
        block_size=INT4_BLOCK,  # has no effect with a scale per channel
        weight_threshold=LARGE_WEIGHT,
    )
    return Compression("compression::linear_quantize_weights", _kernels_only(config))


def _palette(bits: int) -> Compression:
    config = cto.OpPalettizerConfig(mode="kmeans", nbits=bits, weight_threshold=LARGE_WEIGHT)
    return Compression("compression::palettize_weights", _kernels_only(config))


_INT8_PER_CHANNEL = _linear("int8", "per_channel")

SCHEMES = {
    scheme.name: scheme
    for scheme in (
        Scheme("none", "float32 weights and arithmetic", "iOS16", computes_float16=False),
        Scheme("fp16", "float16 weights and arithmetic", "iOS16"),
        Scheme("int8", "int8 weights, a scale per output channel", "iOS16", _INT8_PER_CHANNEL),
        Scheme(
            "int4",
            f"int4 weights, a scale per {INT4_BLOCK} inputs",
            "iOS18",
            _linear("int4", "per_block"),
        ),
        Scheme("lut8", "a palette of 256 weights per tensor", "iOS16", _palette(8)),
        Scheme("lut6", "a palette of 64 weights per tensor", "iOS16", _palette(6)),
        Scheme("lut4", "a palette of 16 weights per tensor", "iOS16", _palette(4)),
        Scheme(
            "w8a8",
            "int8 weights per output channel, int8 activations per tensor",
            "iOS17",
            _INT8_PER_CHANNEL,
            quantizes_activations=True,
        ),
    )
}


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
