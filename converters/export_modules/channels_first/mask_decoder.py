"""The mask decoder, whose image is channels first.

The N tokens of a prompt stay (1, N, C). Few as they are, they would be padded as the last axis.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from converters.export_modules.channels_first.layers import (
    ChannelLayerNorm,
    convolution_of,
    use_channels_first,
)
from converters.export_modules.prompt_encoder import GridPositionalEncoding, SlotPromptEncoder
from converters.export_modules.two_way_transformer import SlotAttentionBlock, SlotTransformer
from reference.modeling.prompt_encoder import PromptEncoder
from reference.modeling.sam import Sam
from reference.modeling.transformer import Attention, TwoWayAttentionBlock, TwoWayTransformer


class ImageGridPositionalEncoding(GridPositionalEncoding):
    """The positional encoding of the embedding grid as an image, (1, dim, h, w)."""

    def __init__(self, original: PromptEncoder) -> None:
        super().__init__(original)
        for name, table in self.named_buffers():
            setattr(self, name, table.permute(2, 0, 1)[None].contiguous())

    def forward(self) -> Tensor:
        return torch.cat(self.sine_and_cosine(), dim=1)


class MultiHeadAttention(nn.Module):
    """The layers of an attention of the mask decoder, and the way from channels to heads."""

    def __init__(self, original: Attention) -> None:
        super().__init__()
        self.num_heads = original.num_heads
        self.scale = (original.q_proj.out_features // original.num_heads) ** -0.5
        self.q_proj, self.k_proj = original.q_proj, original.k_proj
        self.v_proj, self.out_proj = original.v_proj, original.out_proj

    def _split_tokens(self, tokens: Tensor) -> Tensor:
        # (1, N, C) → (1, heads, N, C/heads)
        return tokens.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)

    def _join_tokens(self, tokens: Tensor) -> Tensor:
        # (1, heads, N, C/heads) → (1, N, C)
        return tokens.transpose(1, 2).flatten(2)

    def _split_image(self, image: Tensor) -> Tensor:
        # (1, C, h, w) → (1, heads, C/heads, h*w)
        return image.reshape(1, self.num_heads, -1, image.shape[2] * image.shape[3])


class TokenAttention(MultiHeadAttention):
    """The attention of tokens (1, N, C) to tokens, some of which are hidden by a bias (1, N)."""

    def forward(self, q: Tensor, k: Tensor, v: Tensor, key_bias: Tensor) -> Tensor:
        q = self._split_tokens(self.q_proj(q)) * self.scale
        k = self._split_tokens(self.k_proj(k))
        v = self._split_tokens(self.v_proj(v))
        attention = torch.softmax(q @ k.transpose(2, 3) + key_bias[:, None, None], dim=-1)
        return self.out_proj(self._join_tokens(attention @ v))


class TokenToImageAttention(MultiHeadAttention):
    """The attention of tokens (1, N, C) to an image (1, C, h, w)."""

    def __init__(self, original: Attention) -> None:
        super().__init__(original)
        self.k_proj = convolution_of(original.k_proj)
        self.v_proj = convolution_of(original.v_proj)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q = self._split_tokens(self.q_proj(q)) * self.scale
        k = self._split_image(self.k_proj(k))
        v = self._split_image(self.v_proj(v))
        attention = torch.softmax(q @ k, dim=-1)  # (1, heads, N, h*w)
        return self.out_proj(self._join_tokens(attention @ v.transpose(2, 3)))


class ImageToTokenAttention(MultiHeadAttention):
    """The attention of an image (1, C, h, w) to tokens (1, N, C), some of which are hidden by a bias (1, N).

    The pixels are the last axis of the attention as well.
    """

    def __init__(self, original: Attention) -> None:
        super().__init__(original)
        self.q_proj = convolution_of(original.q_proj)
        self.out_proj = convolution_of(original.out_proj)

    def forward(self, image: Tensor, q: Tensor, k: Tensor, v: Tensor, key_bias: Tensor) -> Tensor:
        """Add the attention of the queries q (1, C, h, w) to ``image`` (1, C, h, w)."""
        height, width = q.shape[2:]
        q = self._split_image(self.q_proj(q))
        k = self._split_tokens(self.k_proj(k)) * self.scale
        v = self._split_tokens(self.v_proj(v))
        attention = torch.softmax(k @ q + key_bias[:, None, :, None], dim=2)  # (1, heads, N, h*w)
        answer = v.transpose(2, 3) @ attention  # (1, heads, d, h*w)
        return image + self.out_proj(answer.reshape(1, -1, height, width))


def _block(original: TwoWayAttentionBlock) -> SlotAttentionBlock:
    return SlotAttentionBlock(
        original,
        self_attn=TokenAttention(original.self_attn),
        cross_attn_token_to_image=TokenToImageAttention(original.cross_attn_token_to_image),
        cross_attn_image_to_token=ImageToTokenAttention(original.cross_attn_image_to_token),
        norm4=ChannelLayerNorm(original.norm4),
    )


def _transformer(original: TwoWayTransformer) -> SlotTransformer:
    return SlotTransformer(
        map(_block, original.layers),
        TokenToImageAttention(original.final_attn_token_to_image),
        original.norm_final_attn,
    )


class ChannelsFirstMaskDecoder(nn.Module):
    """Computes low_res_masks (1, 4, S/4, S/4) and iou_predictions (1, 4) from embeddings and prompts in N slots.

    For any k prompts in N slots, the answer is that of the reference for those k prompts. Empty slots are masked out of
    every attention, and attention does not depend on the order of the tokens.
    """

    def __init__(self, sam: Sam) -> None:
        super().__init__()
        prompt_encoder = copy.deepcopy(sam.prompt_encoder)
        decoder = copy.deepcopy(sam.mask_decoder)
        use_channels_first(prompt_encoder.mask_downscaling)
        use_channels_first(decoder.output_upscaling)
        self.grid = ImageGridPositionalEncoding(prompt_encoder)
        self.prompts = SlotPromptEncoder(prompt_encoder)
        self.transformer = _transformer(decoder.transformer)
        output_tokens = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
        self.output_tokens = nn.Parameter(output_tokens.detach()[None].clone(), requires_grad=False)
        self.output_upscaling = decoder.output_upscaling
        self.output_hypernetworks_mlps = decoder.output_hypernetworks_mlps
        self.iou_prediction_head = decoder.iou_prediction_head

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
        token_bias = pad(prompt_bias, (self.output_tokens.shape[1], 0))

        image = image_embeddings + self.prompts.embed_mask(mask_input, has_mask_input)
        tokens, image = self.transformer(image, self.grid(), tokens, token_bias)

        kernels = torch.stack(
            [mlp(tokens[:, 1 + i]) for i, mlp in enumerate(self.output_hypernetworks_mlps)], dim=1
        )
        # One product per row of pixels: all pixels in one axis would be more than the Neural Engine takes.
        rows = self.output_upscaling(image).transpose(1, 2)  # (1, 4h, dim/8, 4w)
        masks = (kernels[:, None] @ rows).transpose(1, 2)  # (1, 4h, 4, 4w) → (1, 4, 4h, 4w)
        return masks, self.iou_prediction_head(tokens[:, 0])
