"""The weight of a layer as matrices that multiply its inputs."""

import math
from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn.functional import unfold

# Weights with at most as many elements are not quantized. All of them together are 1 % of a file. But they would cause
# a third of the noise, above all the last layer of the mask decoder, whose output is multiplied by all masks.
LARGE_WEIGHT = 8192
_LAYERS = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


def large_layers(module: nn.Module) -> dict[str, nn.Module]:
    """Return path → layer of the linear layers and convolutions whose weights are worth quantizing."""
    return {
        path: layer
        for path, layer in module.named_modules()
        if isinstance(layer, _LAYERS) and layer.weight.numel() > LARGE_WEIGHT
    }


@dataclass(frozen=True)
class WeightMatrix:
    """The weight of a layer, seen as one matrix per group of channels.

    A row computes one number of the output from the values that the layer reads for it: the input channels of its
    group, times the pixels of the kernel. A transposed convolution multiplies one pixel by a row for each output
    channel and pixel of the kernel.

    Attributes:
        values: (groups, rows, columns).
        taps: how many consecutive rows belong to one output channel.
        inputs: how many input channels a row reads. The columns are (input channels, pixels of the kernel).
    """

    values: Tensor
    taps: int
    inputs: int

    @classmethod
    def of(cls, layer: nn.Module) -> "WeightMatrix":
        """Return the weight of a linear layer, a convolution or a transposed convolution, in float32."""
        weight = layer.weight.detach().float()
        if isinstance(layer, nn.Linear):
            return cls(weight[None], taps=1, inputs=layer.in_features)
        groups = layer.groups
        if isinstance(layer, nn.Conv2d):
            # (out, in/groups, kh, kw) → (groups, out/groups, in/groups * kh * kw)
            return cls(weight.flatten(1).unflatten(0, (groups, -1)), 1, weight.shape[1])
        # (in, out/groups, kh, kw) → (groups, out/groups * kh * kw, in/groups)
        values = weight.flatten(1).unflatten(0, (groups, -1)).transpose(1, 2)
        return cls(values, math.prod(layer.kernel_size), values.shape[2])


def weight_of_matrix(values: Tensor, layer: nn.Module) -> Tensor:
    """Return matrices (groups, rows, columns) in the shape of the weight of ``layer``."""
    if isinstance(layer, nn.ConvTranspose2d):
        values = values.transpose(1, 2)
    return values.reshape(layer.weight.shape)


def input_columns(layer: nn.Module, x: Tensor) -> Tensor:
    """Return what each row of the layer's matrices multiplies, (groups, columns, positions)."""
    if isinstance(layer, nn.Linear):
        return x.reshape(-1, x.shape[-1]).transpose(0, 1)[None]
    if isinstance(layer, nn.Conv2d) and layer.kernel_size != (1, 1):
        x = unfold(x, layer.kernel_size, layer.dilation, layer.padding, layer.stride)
    elif isinstance(layer, nn.Conv2d):
        x = x[:, :, :: layer.stride[0], :: layer.stride[1]].flatten(2)
    else:
        x = x.flatten(2)
    # (N, groups * columns, positions) → (groups, columns, N * positions)
    return x.unflatten(1, (layer.groups, -1)).permute(1, 2, 0, 3).flatten(2)
