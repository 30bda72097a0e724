"""The image encoder for Core ML."""

import copy
import math

import torch
from timm.models.tiny_vit import Attention as TinyVitAttention
from timm.models.tiny_vit import TinyVitBlock
from torch import Tensor, nn
from torch.nn.functional import one_hot, pad

from converters.export_modules.batch_norms import fold_batch_norms
from converters.export_modules.channels_first.layer_norms import use_native_layer_norms
from reference.modeling.sam import Sam


class WindowAttention(nn.Module):
    """TinyViT's attention over the tokens of a window, with two changes.

    The factor 1/sqrt(d) of the queries is folded into their weights.

    The bias of a pair of tokens depends only on their distances |Δy| and |Δx|. It is expanded in the graph, one axis
    after the other. The token × token index of the original would be folded into a table 200 times as large. The
    expansion multiplies by a one-hot matrix. That is exact in every float format and stays on the Neural Engine, which
    a gather does not.
    """

    def __init__(self, original: TinyVitAttention) -> None:
        super().__init__()
        self.num_heads = original.num_heads
        self.window = original.resolution[0]
        self.norm = original.norm
        self.qkv = _scale_queries(original)
        self.proj = original.proj
        # timm numbers the distances in reading order: entry |Δy| * window + |Δx|.
        table = original.attention_biases.detach().unflatten(1, original.resolution)
        self.biases = nn.Parameter(table.clone(), requires_grad=False)  # (heads, window, window)
        position = torch.arange(self.window)
        distances = (position[:, None] - position[None, :]).abs().flatten()
        self.register_buffer("pair_to_distance", one_hot(distances, self.window).float())

    def _attention_bias(self) -> Tensor:
        window, tokens = self.window, self.window**2
        by_y = self.pair_to_distance @ self.biases  # (heads, y1*y2, |Δx|)
        bias = self.pair_to_distance @ by_y.transpose(1, 2)  # (heads, x1*x2, y1*y2)
        bias = bias.reshape(-1, window, window, window, window)  # (heads, x1, x2, y1, y2)
        # (heads, x1, x2, y1, y2) → (1, heads, y1*x1, y2*x2)
        return bias.permute(0, 3, 1, 4, 2).reshape(1, -1, tokens, tokens)

    def forward(self, x: Tensor) -> Tensor:
        windows, tokens, dim = x.shape
        qkv = self.qkv(self.norm(x))  # (windows, tokens, heads * [q, k, v])
        qkv = qkv.reshape(windows, tokens, self.num_heads, -1).transpose(1, 2)
        q, k, v = qkv.chunk(3, dim=-1)  # (windows, heads, tokens, d) each
        attention = torch.softmax(q @ k.transpose(-2, -1) + self._attention_bias(), dim=-1)
        return self.proj((attention @ v).transpose(1, 2).reshape(windows, tokens, dim))


def _scale_queries(attention: TinyVitAttention) -> nn.Linear:
    qkv = attention.qkv
    is_query = torch.arange(qkv.out_features) % (3 * attention.key_dim) < attention.key_dim
    scale = torch.where(is_query, attention.scale, 1.0)
    qkv.weight.data *= scale[:, None]
    qkv.bias.data *= scale
    return qkv


class WindowBlock(nn.Module):
    """TinyViT's block: window attention, local convolution and MLP.

    Windows are made without a batch axis, because Core ML tensors have at most 5 axes.
    """

    def __init__(self, original: TinyVitBlock) -> None:
        super().__init__()
        self.window = original.window_size
        self.attn = WindowAttention(original.attn)
        self.local_conv = original.local_conv
        self.mlp = original.mlp

    def _attend_in_windows(self, x: Tensor) -> Tensor:
        _, height, width, dim = x.shape
        window = self.window
        rows, columns = math.ceil(height / window), math.ceil(width / window)
        bottom, right = rows * window - height, columns * window - width
        if bottom or right:
            x = pad(x, (0, 0, 0, right, 0, bottom))
        x = x.reshape(rows, window, columns, window, dim).transpose(1, 2)
        x = self.attn(x.reshape(rows * columns, window * window, dim))
        x = x.reshape(rows, columns, window, window, dim).transpose(1, 2)
        return x.reshape(1, rows * window, columns * window, dim)[:, :height, :width]

    def forward(self, x: Tensor) -> Tensor:
        _, height, width, dim = x.shape
        x = x + self._attend_in_windows(x)
        x = self.local_conv(x.permute(0, 3, 1, 2))  # (1, H, W, C) → (1, C, H, W)
        x = x.flatten(2).transpose(1, 2)  # → (1, H*W, C)
        x = x + self.mlp(x)
        return x.reshape(1, height, width, dim)


class ChannelsFirstImageEncoder(nn.Module):
    """Computes image_embeddings (1, dim, S/16, S/16) from an image (1, 3, S, S) in 0…255.

    The normalization of pixels is part of the graph.
    """

    def __init__(self, sam: Sam) -> None:
        super().__init__()
        self.register_buffer("pixel_mean", sam.pixel_mean.clone())
        self.register_buffer("pixel_std", sam.pixel_std.clone())
        self.encoder = copy.deepcopy(sam.image_encoder)
        fold_batch_norms(self.encoder)
        use_native_layer_norms(self.encoder)
        for stage in self.encoder.stages[1:]:
            stage.blocks = nn.Sequential(*map(WindowBlock, stage.blocks))

    def forward(self, image: Tensor) -> Tensor:
        return self.encoder((image - self.pixel_mean) / self.pixel_std)
