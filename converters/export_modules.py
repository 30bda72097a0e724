"""The modules that are traced: the reference model in a form that phones run well.

Each class is built from a layer of the reference and copies its weights, so one comparison proves that both compute the
same. Its docstring says what the class changes and why. The batch size is 1 everywhere.
"""

import copy
import math

import torch
from timm.models.tiny_vit import Attention as TinyVitAttention
from timm.models.tiny_vit import ConvNorm, TinyVitBlock
from torch import Tensor, nn
from torch.nn.functional import layer_norm, one_hot, pad

from converters.io_spec import (
    LABEL_BACKGROUND,
    LABEL_BOX_BOTTOM_RIGHT,
    LABEL_BOX_TOP_LEFT,
    LABEL_EMPTY_SLOT,
    LABEL_OBJECT,
)
from reference.modeling.layers import LayerNorm2d
from reference.modeling.mask_decoder import NUM_MASKS
from reference.modeling.prompt_encoder import PromptEncoder
from reference.modeling.sam import Sam
from reference.modeling.transformer import Attention, TwoWayAttentionBlock, TwoWayTransformer

# This is added to the attention logits of hidden keys. exp(-1e4) is exactly 0 in every float format. Unlike -inf or
# the minimum of float32, -1e4 can be added to a real logit without leaving the range of float16.
HIDDEN = -1e4


def fold_batch_norms(module: nn.Module) -> None:
    """Replace every convolution with its batch normalization by one convolution with a bias, in place."""
    for name, child in module.named_children():
        if isinstance(child, ConvNorm):
            setattr(module, name, child.fuse())
        else:
            fold_batch_norms(child)


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


class ImageEncoder(nn.Module):
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


class MaskedAttention(nn.Module):
    """The attention of the mask decoder with a bias on its keys, which hides empty prompt slots."""

    def __init__(self, original: Attention) -> None:
        super().__init__()
        self.original = original
        self.scale = (original.q_proj.out_features // original.num_heads) ** -0.5

    def forward(self, q: Tensor, k: Tensor, v: Tensor, key_bias: Tensor) -> Tensor:
        heads = self.original
        q = heads._split_heads(heads.q_proj(q)) * self.scale
        k = heads._split_heads(heads.k_proj(k))
        v = heads._split_heads(heads.v_proj(v))
        attention = torch.softmax(q @ k.transpose(-2, -1) + key_bias, dim=-1)
        return heads.out_proj((attention @ v).transpose(1, 2).flatten(2))


class SlotAttentionBlock(nn.Module):
    """The two-way block, with hidden keys wherever tokens are the keys of an attention."""

    def __init__(self, original: TwoWayAttentionBlock) -> None:
        super().__init__()
        self.original = original
        self.self_attn = MaskedAttention(original.self_attn)
        self.image_to_token = MaskedAttention(original.cross_attn_image_to_token)

    def forward(
        self, queries: Tensor, keys: Tensor, query_pe: Tensor, key_pe: Tensor, token_bias: Tensor
    ) -> tuple[Tensor, Tensor]:
        block = self.original
        if block.skip_first_layer_pe:
            queries = self.self_attn(queries, queries, queries, token_bias)
        else:
            q = queries + query_pe
            queries = queries + self.self_attn(q, q, queries, token_bias)
        queries = block.norm1(queries)

        k = keys + key_pe
        queries = block.norm2(
            queries + block.cross_attn_token_to_image(queries + query_pe, k, keys)
        )
        queries = block.norm3(queries + block.mlp(queries))

        keys = keys + self.image_to_token(k, queries + query_pe, queries, token_bias)
        return queries, block.norm4(keys)


class SlotTransformer(nn.Module):
    """The two-way transformer over tokens, some of which are hidden."""

    def __init__(self, original: TwoWayTransformer) -> None:
        super().__init__()
        self.layers = nn.ModuleList(map(SlotAttentionBlock, original.layers))
        self.final_attn_token_to_image = original.final_attn_token_to_image
        self.norm_final_attn = original.norm_final_attn

    def forward(
        self, image: Tensor, key_pe: Tensor, tokens: Tensor, token_bias: Tensor
    ) -> tuple[Tensor, Tensor]:
        keys = image.flatten(2).transpose(1, 2)  # (1, dim, h, w) → (1, h*w, dim)
        queries = tokens
        for layer in self.layers:
            queries, keys = layer(queries, keys, tokens, key_pe, token_bias)
        attention = self.final_attn_token_to_image(queries + tokens, keys + key_pe, keys)
        return self.norm_final_attn(queries + attention), keys


class GridPositionalEncoding(nn.Module):
    """The positional encoding of the embedding grid, (1, h*w, dim), computed from its rows and columns.

    The phase of a cell is the sum of a column term and a row term. The sine and cosine of the sum follow from those of
    the two terms (addition theorem). This needs tables of side × dim instead of side × side × dim. Every value stays
    within ±1, where float16 is precise, while the phases themselves are too large for it.
    """

    def __init__(self, original: PromptEncoder) -> None:
        super().__init__()
        side = original.embedding_size
        frequencies = original.pe_layer.positional_encoding_gaussian_matrix.double()
        centers = (torch.arange(side, dtype=torch.float64) + 0.5) / side
        column, row = (2 * math.pi * (2 * centers - 1)[:, None] * f for f in frequencies)
        self.register_buffer("column_sin", column.sin().float()[None, :])  # (1, side, dim/2)
        self.register_buffer("column_cos", column.cos().float()[None, :])
        self.register_buffer("row_sin", row.sin().float()[:, None])  # (side, 1, dim/2)
        self.register_buffer("row_cos", row.cos().float()[:, None])

    def forward(self) -> Tensor:
        sin = self.column_sin * self.row_cos + self.column_cos * self.row_sin
        cos = self.column_cos * self.row_cos - self.column_sin * self.row_sin
        side, _, half_dim = self.row_sin.shape
        return torch.cat([sin, cos], dim=-1).reshape(1, side * side, 2 * half_dim)


class SlotPromptEncoder(nn.Module):
    """Embeds prompts in fixed slots: sparse embeddings with their attention bias, and dense embeddings.

    The original appends a "not a point" token to points that come without a box. Here that token is always the last
    one, and it is hidden in all other cases.
    """

    def __init__(self, original: PromptEncoder) -> None:
        super().__init__()
        self.image_size = original.image_size
        self.pe_layer = original.pe_layer
        types = torch.cat([embedding.weight for embedding in original.point_embeddings])
        self.type_embeddings = nn.Parameter(types.detach().clone(), requires_grad=False)
        self.not_a_point_embed = original.not_a_point_embed
        self.mask_downscaling = original.mask_downscaling
        self.no_mask_embed = original.no_mask_embed

    def embed_points(self, coords: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Embed coords (1, N, 2) and labels (1, N) as tokens (1, N + 1, dim) with their attention bias (1, N + 1)."""
        is_type = [(labels == label).float() for label in range(len(self.type_embeddings))]
        embeddings = self.pe_layer((coords + 0.5) / self.image_size)
        embeddings = embeddings + torch.stack(is_type, dim=-1) @ self.type_embeddings
        tokens = torch.cat([embeddings, self.not_a_point_embed.weight[None]], dim=1)

        is_empty = (labels == LABEL_EMPTY_SLOT).float()
        is_point = is_type[LABEL_BACKGROUND] + is_type[LABEL_OBJECT]
        is_corner = is_type[LABEL_BOX_TOP_LEFT] + is_type[LABEL_BOX_BOTTOM_RIGHT]
        needs_no_padding = 1 - is_point.amax(1, keepdim=True) * (
            1 - is_corner.amax(1, keepdim=True)
        )
        return tokens, HIDDEN * torch.cat([is_empty, needs_no_padding], dim=1)

    def embed_mask(self, mask_input: Tensor, has_mask_input: Tensor) -> Tensor:
        """Embed a mask (1, 1, S/4, S/4), if has_mask_input (1,) is 1, as (1, dim, S/16, S/16)."""
        has_mask = has_mask_input.reshape(1, 1, 1, 1)
        no_mask = self.no_mask_embed.weight.reshape(1, -1, 1, 1)
        return has_mask * self.mask_downscaling(mask_input) + (1 - has_mask) * no_mask


class MaskDecoder(nn.Module):
    """Computes low_res_masks (1, 4, S/4, S/4) and iou_predictions (1, 4) from embeddings and prompts in N slots.

    For any k prompts in N slots, the answer is that of the reference for those k prompts. Empty slots are masked out of
    every attention, and attention does not depend on the order of the tokens.
    """

    def __init__(self, sam: Sam) -> None:
        super().__init__()
        prompt_encoder = copy.deepcopy(sam.prompt_encoder)
        decoder = copy.deepcopy(sam.mask_decoder)
        self.grid = GridPositionalEncoding(prompt_encoder)
        self.prompts = SlotPromptEncoder(prompt_encoder)
        self.transformer = SlotTransformer(decoder.transformer)
        output_tokens = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
        self.output_tokens = nn.Parameter(output_tokens.detach()[None].clone(), requires_grad=False)
        self.output_upscaling = decoder.output_upscaling
        self.output_hypernetworks_mlps = decoder.output_hypernetworks_mlps
        self.iou_prediction_head = decoder.iou_prediction_head
        use_native_layer_norms(self)

    def forward(
        self,
        image_embeddings: Tensor,
        point_coords: Tensor,
        point_labels: Tensor,
        mask_input: Tensor,
        has_mask_input: Tensor,
    ) -> tuple[Tensor, Tensor]:
        prompt_tokens, prompt_bias = self.prompts.embed_points(point_coords, point_labels)
        tokens = torch.cat([self.output_tokens, prompt_tokens], dim=1)
        token_bias = pad(prompt_bias, (self.output_tokens.shape[1], 0))[:, None, None]

        image = image_embeddings + self.prompts.embed_mask(mask_input, has_mask_input)
        _, dim, height, width = image.shape
        tokens, image = self.transformer(image, self.grid(), tokens, token_bias)

        image = image.transpose(1, 2).reshape(1, dim, height, width)
        upscaled = self.output_upscaling(image)  # (1, dim/8, 4h, 4w)
        kernels = torch.stack(
            [mlp(tokens[:, 1 + i]) for i, mlp in enumerate(self.output_hypernetworks_mlps)], dim=1
        )
        masks = (kernels @ upscaled.flatten(2)).reshape(1, NUM_MASKS, 4 * height, 4 * width)
        return masks, self.iou_prediction_head(tokens[:, 0])
