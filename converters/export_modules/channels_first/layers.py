"""Layers of (1, C, H, W) tensors that are built from layers of the reference."""

from torch import Tensor, nn

from reference.modeling.layers import LayerNorm2d


class ChannelLayerNorm(nn.LayerNorm):
    """Layer normalization over the channels of a (B, C, H, W) tensor, as one layer-norm operation.

    As separate operations, its squares overflow float16 where a channel is 256 from the mean. Inside one operation the
    runtime computes the squares, and accumulates them in float32. torch's operation takes the channels as the last
    axis; the conversion to Core ML drops the two transpositions and normalizes over axis 1.
    """

    def __init__(self, original: LayerNorm2d | nn.LayerNorm) -> None:
        super().__init__(original.weight.shape, original.eps)
        self.weight, self.bias = original.weight, original.bias

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def convolution_of(linear: nn.Linear) -> nn.Conv2d:
    """Return the 1×1 convolution that computes the linear layer for every pixel. It shares the layer's bias."""
    convolution = nn.Conv2d(linear.in_features, linear.out_features, kernel_size=1)
    weight = linear.weight.detach()[:, :, None, None]
    convolution.weight = nn.Parameter(weight, requires_grad=False)
    convolution.bias = linear.bias
    return convolution


def use_channels_first(module: nn.Module) -> None:
    """Replace every linear layer and every layer normalization by its counterpart for (B, C, H, W), in place."""
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            setattr(module, name, convolution_of(child))
        elif isinstance(child, (LayerNorm2d, nn.LayerNorm)):
            setattr(module, name, ChannelLayerNorm(child))
        else:
            use_channels_first(child)
