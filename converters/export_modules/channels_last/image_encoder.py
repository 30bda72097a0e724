"""The image encoder, channels last."""

import copy
import math
from collections import OrderedDict
from collections.abc import Iterator

import torch
from timm.models.tiny_vit import (
    Attention,
    MBConv,
    NormMlp,
    PatchEmbed,
    PatchMerging,
    TinyVitBlock,
    TinyVitStage,
)
from torch import Tensor, nn
from torch.nn.functional import pad

from converters.export_modules.attention_bias import AttentionBias, scale_queries
from converters.export_modules.batch_norms import fold_batch_norms
from converters.export_modules.channels_last.layers import (
    ChannelsLastConv2d,
    InPlaceGELU,
    PointwiseConv2d,
    channel_layer_norm,
    pad_rows,
    row_strips,
)
from reference.modeling.sam import Sam


class StripPatchEmbed(nn.Module):
    """Normalization of pixels and two 3×3 convolutions with stride 2: (1, 3, H, W) → (1, H/4, W/4, C)."""

    def __init__(self, original: PatchEmbed, pixel_mean: Tensor, pixel_std: Tensor) -> None:
        super().__init__()
        self.register_buffer("pixel_mean", pixel_mean.flatten().clone())
        self.register_buffer("pixel_std", pixel_std.flatten().clone())
        self.conv1 = ChannelsLastConv2d.of_strips(original.conv1)
        self.act = InPlaceGELU()
        self.conv2 = ChannelsLastConv2d.of_strips(original.conv2)

    def forward(self, image: Tensor) -> Tensor:
        _, _, height, width = image.shape
        # Two rows of hidden values, which are half as wide as the image, make one row of the result.
        row_values = width * self.conv2.in_channels
        strips = []
        for first, end in row_strips(height // 4, row_values):
            is_top = first == 0
            pixels = image[:, :, max(4 * first - 3, 0) : 4 * end].permute(0, 2, 3, 1)
            strip = (pixels.contiguous() - self.pixel_mean) / self.pixel_std
            hidden = self.act(self.conv1(pad_rows(strip, is_top, False)))
            strips.append(self.conv2(pad_rows(hidden, is_top, False)))
        return torch.cat(strips, dim=1)


class StripBottleneck(nn.Module):
    """A 1×1 convolution, a depthwise 3×3 one and another 1×1 one, strip by strip."""

    def __init__(self, original: MBConv | PatchMerging) -> None:
        super().__init__()
        self.conv1 = PointwiseConv2d.of(original.conv1)
        self.act1 = InPlaceGELU()
        self.conv2 = ChannelsLastConv2d.of_strips(original.conv2)
        self.act2 = InPlaceGELU()
        self.conv3 = PointwiseConv2d.of(original.conv3)

    def _strip(self, x: Tensor, first: int, end: int) -> Tensor:
        """Compute the rows ``first`` to ``end`` of the result."""
        height, stride = x.shape[1], self.conv2.stride[0]
        above, below = stride * first - 1, stride * (end - 1) + 2
        hidden = self.act1(self.conv1(x[:, max(above, 0) : min(below, height)]))
        hidden = self.act2(self.conv2(pad_rows(hidden, above < 0, below > height)))
        return self.conv3(hidden)

    def _strips(self, x: Tensor) -> Iterator[tuple[int, int]]:
        _, height, width, _ = x.shape
        stride = self.conv2.stride[0]
        return row_strips(height // stride, stride * width * self.conv1.out_features)


class StripMBConv(StripBottleneck):
    """TinyViT's inverted bottleneck with its shortcut."""

    def __init__(self, original: MBConv) -> None:
        super().__init__(original)
        self.act3 = InPlaceGELU()

    def forward(self, x: Tensor) -> Tensor:
        strips = []
        for first, end in self._strips(x):
            strip = self._strip(x, first, end)
            strip += x[:, first:end]
            strips.append(self.act3(strip))
        return torch.cat(strips, dim=1)


class StripPatchMerging(StripBottleneck):
    """TinyViT's downsampling between stages."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self._strip(x, first, end) for first, end in self._strips(x)], dim=1)


class HeadwiseAttention(nn.Module):
    """TinyViT's attention over the tokens of a window, one head after the other.

    Queries, keys and values of a head are views of the projection, so nothing is copied.
    """

    def __init__(self, original: Attention) -> None:
        super().__init__()
        self.num_heads = original.num_heads
        self.norm = original.norm
        self.qkv = scale_queries(original)
        self.bias = AttentionBias(original)
        self.proj = original.proj

    def _project(self, x: Tensor) -> Tensor:
        """Return queries, keys and values, (windows, tokens, heads, 3, d)."""
        windows, tokens, _ = x.shape
        return self.qkv(self.norm(x)).reshape(windows, tokens, self.num_heads, 3, -1)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        qkv = self._project(x)
        heads = []
        for head in range(self.num_heads):
            q, k, v = qkv[:, :, head].unbind(2)  # (windows, tokens, d) each
            scores = torch.baddbmm(bias[head], q, k.transpose(1, 2))
            heads.append(torch.bmm(torch.softmax(scores, dim=-1), v))
        return self.proj(torch.cat(heads, dim=-1))


class StripMlp(nn.Module):
    """TinyViT's MLP with its shortcut, strip by strip. It overwrites its input."""

    def __init__(self, original: NormMlp) -> None:
        super().__init__()
        self.norm = original.norm
        self.fc1 = original.fc1
        self.act = InPlaceGELU()
        self.fc2 = original.fc2

    def forward(self, x: Tensor) -> Tensor:
        _, height, width, _ = x.shape
        for first, end in row_strips(height, width * self.fc1.out_features):
            strip = x[:, first:end]
            strip += self.fc2(self.act(self.fc1(self.norm(strip))))
        return x


class WindowBlock(nn.Module):
    """TinyViT's block: window attention, local convolution and MLP on (1, H, W, C)."""

    def __init__(self, original: TinyVitBlock) -> None:
        super().__init__()
        self.window = original.window_size
        self.attn = HeadwiseAttention(original.attn)
        self.local_conv = ChannelsLastConv2d.of(original.local_conv)
        self.mlp = StripMlp(original.mlp)

    def _attend_in_windows(self, x: Tensor, bias: Tensor) -> Tensor:
        _, height, width, dim = x.shape
        window = self.window
        rows, columns = math.ceil(height / window), math.ceil(width / window)
        bottom, right = rows * window - height, columns * window - width
        if bottom or right:
            x = pad(x, (0, 0, 0, right, 0, bottom))
        x = x.reshape(rows, window, columns, window, dim).transpose(1, 2)
        x = self.attn(x.reshape(rows * columns, window * window, dim), bias)
        x = x.reshape(rows, columns, window, window, dim).transpose(1, 2)
        return x.reshape(1, rows * window, columns * window, dim)[:, :height, :width]

    def forward(self, x: Tensor) -> Tensor:
        _, height, width, _ = x.shape
        window, bias = self.window, self.attn.bias()
        row_values = window * window * math.ceil(width / window) * self.attn.qkv.out_features
        for first, end in row_strips(math.ceil(height / window), row_values):
            strip = x[:, first * window : min(end * window, height)]
            strip += self._attend_in_windows(strip, bias)
        return self.mlp(self.local_conv(x))


def _transformer_stage(original: TinyVitStage) -> nn.Sequential:
    return nn.Sequential(
        OrderedDict(
            downsample=StripPatchMerging(original.downsample),
            blocks=nn.Sequential(*map(WindowBlock, original.blocks)),
        )
    )


class ChannelsLastImageEncoder(nn.Module):
    """Computes image_embeddings (1, dim, S/16, S/16) from an image (1, 3, S, S) in 0…255.

    The normalization of pixels is part of the graph.
    """

    def __init__(self, sam: Sam) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(sam.image_encoder)
        fold_batch_norms(self.encoder)
        self.encoder.patch_embed = StripPatchEmbed(
            self.encoder.patch_embed, sam.pixel_mean, sam.pixel_std
        )
        first, *others = self.encoder.stages
        first.blocks = nn.Sequential(*map(StripMBConv, first.blocks))
        self.encoder.stages = nn.Sequential(first, *map(_transformer_stage, others))
        conv1, norm1, conv2, norm2 = self.encoder.neck
        self.encoder.neck = nn.Sequential(
            PointwiseConv2d.of(conv1),
            channel_layer_norm(norm1),
            ChannelsLastConv2d.of(conv2),
            channel_layer_norm(norm2),
        )

    def forward(self, image: Tensor) -> Tensor:
        return self.encoder(image).permute(0, 3, 1, 2).contiguous()
