"""Layer normalization over channels."""

from torch import Tensor, nn
from torch.nn.functional import layer_norm

from reference.modeling.layers import LayerNorm2d


class ChannelLayerNorm(nn.Module):
    """LayerNorm2d as one layer-norm operation.

    As separate operations, its squares overflow float16 where a channel is 256 from the mean. Inside one operation the
    runtime computes the squares, and accumulates them in float32.
    """

    def __init__(self, original: LayerNorm2d) -> None:
        super().__init__()
        self.original = original
        self.eps = original.eps

    def forward(self, x: Tensor) -> Tensor:
        norm = self.original
        x = x.permute(0, 2, 3, 1)  # (1, C, H, W) → (1, H, W, C)
        return layer_norm(x, norm.weight.shape, norm.weight, norm.bias, self.eps).permute(
            0, 3, 1, 2
        )


def use_native_layer_norms(module: nn.Module) -> None:
    """Replace every LayerNorm2d by ChannelLayerNorm, in place."""
    for name, child in module.named_children():
        if isinstance(child, LayerNorm2d):
            setattr(module, name, ChannelLayerNorm(child))
        else:
            use_native_layer_norms(child)
