"""The image encoder, channels first."""

import copy
import math
from collections import OrderedDict

import torch
from timm.models.tiny_vit import Attention, TinyVitBlock, TinyVitStage
from torch import Tensor, nn
from torch.nn.functional import pad

from converters.export_modules.attention_bias import AttentionBias, scale_queries
from converters.export_modules.batch_norms import fold_batch_norms
from converters.export_modules.channels_first.layers import (
    ChannelLayerNorm,
    convolution_of,
    use_channels_first,
)
from reference.modeling.sam import Sam


class WindowAttention(nn.Module):
    """TinyViT's attention over the T tokens of each window, whose tensors are (windows, C, 1, T)."""

    def __init__(self, original: Attention) -> None:
        super().__init__()
        self.num_heads = original.num_heads
        self.norm = ChannelLayerNorm(original.norm)
        self.qkv = convolution_of(scale_queries(original))
        self.bias = AttentionBias(original)
        self.proj = convolution_of(original.proj)

    def forward(self, x: Tensor) -> Tensor:
        windows, dim, _, tokens = x.shape
        qkv = self.qkv(self.norm(x)).reshape(windows, self.num_heads, -1, tokens)
        q, k, v = qkv.chunk(3, dim=2)  # (windows, heads, d, tokens) each
        attention = torch.softmax(q.transpose(2, 3) @ k + self.bias(), dim=-1)
        return self.proj((v @ attention.transpose(2, 3)).reshape(windows, dim, 1, tokens))


class WindowBlock(nn.Module):
    """TinyViT's block on (1, C, H, W): window attention, local convolution and MLP.

    An image is cut into windows, and put together again, in two steps of four axes each.
    """

    def __init__(self, original: TinyVitBlock) -> None:
        super().__init__()
        self.window = original.window_size
        self.attn = WindowAttention(original.attn)
        self.local_conv = original.local_conv
        self.mlp = original.mlp
        use_channels_first(self.mlp)

    def _attend_in_windows(self, x: Tensor) -> Tensor:
        _, dim, height, width = x.shape
        window = self.window
        rows, columns = math.ceil(height / window), math.ceil(width / window)
        bottom, right = rows * window - height, columns * window - width
        if bottom or right:
            x = pad(x, (0, right, 0, bottom))
        x = x.reshape(dim * rows, window, columns, window).transpose(1, 2)
        x = x.reshape(dim, rows * columns, 1, window * window).transpose(0, 1)
        x = self.attn(x).transpose(0, 1)
        x = x.reshape(dim * rows, columns, window, window).transpose(1, 2)
        return x.reshape(1, dim, rows * window, columns * window)[:, :, :height, :width]

    def forward(self, x: Tensor) -> Tensor:
        x = x + self._attend_in_windows(x)
        x = self.local_conv(x)
        return x + self.mlp(x)


def _window_stage(original: TinyVitStage) -> nn.Sequential:
    """Return the stage without timm's transpositions between convolutions and blocks."""
    blocks = nn.Sequential(*map(WindowBlock, original.blocks))
    return nn.Sequential(OrderedDict(downsample=original.downsample, blocks=blocks))


class ChannelsFirstImageEncoder(nn.Module):
    """Computes image_embeddings (1, dim, S/16, S/16) from an image (1, 3, S, S) in 0…255.

    The normalization of pixels is part of the graph. An image of 8-bit pixels cannot be padded with the mean color, but
    only with the nearest color. So pixels of exactly that color count as the mean color. A pixel of the photo that has
    it by chance changes by less than half a level.
    """

    def __init__(self, sam: Sam) -> None:
        super().__init__()
        self.register_buffer("pixel_mean", sam.pixel_mean.clone())
        self.register_buffer("padding", sam.pixel_mean.round())
        self.register_buffer("pixel_std", sam.pixel_std.clone())
        self.encoder = copy.deepcopy(sam.image_encoder)
        fold_batch_norms(self.encoder)
        first, *others = self.encoder.stages
        self.encoder.stages = nn.Sequential(first, *map(_window_stage, others))
        use_channels_first(self.encoder.neck)

    def forward(self, image: Tensor) -> Tensor:
        is_photo = (image - self.padding).abs().sum(1, keepdim=True).clamp(0, 1)
        return self.encoder((image - self.pixel_mean) / self.pixel_std * is_photo)
