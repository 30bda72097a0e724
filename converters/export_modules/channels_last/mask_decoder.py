"""The mask decoder, channels last: the image and the tokens are matrices (pixels, C) and (tokens, C)."""

import copy

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from converters.export_modules.channels_last.layers import (
    InPlaceGELU,
    PatchConv2d,
    PatchConvTranspose2d,
    PointwiseConv2d,
    channel_layer_norm,
    row_strips,
)
from converters.export_modules.prompt_encoder import GridPositionalEncoding, SlotPromptEncoder
from converters.export_modules.two_way_transformer import SlotAttentionBlock, SlotTransformer
from reference.modeling.mask_decoder import NUM_MASKS
from reference.modeling.prompt_encoder import PromptEncoder
from reference.modeling.sam import Sam
from reference.modeling.transformer import Attention, TwoWayAttentionBlock, TwoWayTransformer


class TokenAttention(nn.Module):
    """The attention of the mask decoder on matrices (tokens, C), with a bias on its keys, which hides empty slots.

    The factor 1/sqrt(d) of the queries is folded into their weights.
    """

    def __init__(self, original: Attention) -> None:
        super().__init__()
        self.num_heads = original.num_heads
        self.q_proj, self.k_proj = original.q_proj, original.k_proj
        self.v_proj, self.out_proj = original.v_proj, original.out_proj
        scale = (original.q_proj.out_features // original.num_heads) ** -0.5
        self.q_proj.weight.data *= scale
        self.q_proj.bias.data *= scale

    def _split(self, x: Tensor) -> Tensor:
        """Split (tokens, heads * d) into (heads, tokens, d)."""
        return x.reshape(len(x), self.num_heads, -1).transpose(0, 1)

    def _join(self, heads: Tensor) -> Tensor:
        """Project (heads, tokens, d) to the result (tokens, C)."""
        return self.out_proj(heads.transpose(0, 1).flatten(1))

    def forward(self, q: Tensor, k: Tensor, v: Tensor, key_bias: Tensor) -> Tensor:
        q, k = self._split(self.q_proj(q)), self._split(self.k_proj(k))
        weights = torch.softmax(torch.bmm(q, k.transpose(1, 2)) + key_bias, dim=-1)
        return self._join(torch.bmm(weights, self._split(self.v_proj(v))))


class CrossAttention(TokenAttention):
    """Attention between the tokens, which are few, and the pixels, which are many.

    A score is q·(W k), which is (q W)·k. So the weights of the pixels' projections are applied to the tokens, and the
    pixels are not projected. With many prompt slots, the products of all heads would be more work than the projections.
    Then the pixels are projected as usual.
    """

    def _project_pixels(self, tokens: Tensor) -> bool:
        return self.num_heads * len(tokens) > self.q_proj.out_features

    def _rows(self, projection: nn.Linear) -> Tensor:
        """Return the weight of a projection to all heads as (heads, d, C)."""
        return projection.weight.unflatten(0, (self.num_heads, -1))


class TokenToImageAttention(CrossAttention):
    """Attention from the tokens to the pixels.

    The bias of the keys adds the same to all scores of a query, so it changes nothing.
    """

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        if self._project_pixels(q):
            return super().forward(q, k, v, k.new_zeros(1))
        queries = torch.bmm(self._split(self.q_proj(q)), self._rows(self.k_proj))
        scores = torch.mm(queries.flatten(0, 1), k.transpose(0, 1))  # (heads * tokens, pixels)
        sums = torch.mm(torch.softmax(scores, dim=-1), v).unflatten(0, (self.num_heads, -1))
        heads = torch.bmm(sums, self._rows(self.v_proj).transpose(1, 2))
        return self._join(heads + self.v_proj.bias.reshape(self.num_heads, 1, -1))


class ImageToTokenAttention(CrossAttention):
    """Attention from the pixels to the tokens, which is added to the pixels.

    The scores have the pixels on the last axis, because rows of tokens would be too short for vector instructions.
    """

    def forward(self, image: Tensor, q: Tensor, k: Tensor, v: Tensor, key_bias: Tensor) -> Tensor:
        """Add the attention of the queries q (pixels, C) to ``image`` (pixels, C), which is overwritten."""
        k, v = self._split(self.k_proj(k)), self._split(self.v_proj(v))  # (heads, tokens, d)
        key_bias = key_bias.transpose(0, 1)  # (tokens, 1)
        if self._project_pixels(k[0]):
            q = self._split(self.q_proj(q))
            weights = torch.softmax(torch.bmm(k, q.transpose(1, 2)) + key_bias, dim=1)
            image += self._join(torch.bmm(weights.transpose(1, 2), v))
            return image
        keys = torch.bmm(k, self._rows(self.q_proj))  # (heads, tokens, C)
        query_bias = torch.bmm(k, self.q_proj.bias.reshape(self.num_heads, -1, 1))
        scores = torch.mm(keys.flatten(0, 1), q.transpose(0, 1))
        scores = scores.unflatten(0, (self.num_heads, -1))  # (heads, tokens, pixels)
        scores += query_bias + key_bias
        weights = torch.softmax(scores, dim=1).flatten(0, 1).transpose(0, 1)
        # (C, heads * d) → (heads, d, C)
        output_rows = self.out_proj.weight.transpose(0, 1).unflatten(0, (self.num_heads, -1))
        # The weights of each head sum to 1, so every head adds its share of the bias.
        values = torch.bmm(v, output_rows) + self.out_proj.bias / self.num_heads
        return image.addmm_(weights, values.flatten(0, 1))


def _block(original: TwoWayAttentionBlock) -> SlotAttentionBlock:
    return SlotAttentionBlock(
        original,
        self_attn=TokenAttention(original.self_attn),
        cross_attn_token_to_image=TokenToImageAttention(original.cross_attn_token_to_image),
        cross_attn_image_to_token=ImageToTokenAttention(original.cross_attn_image_to_token),
        norm4=original.norm4,
    )


def _transformer(original: TwoWayTransformer) -> SlotTransformer:
    return SlotTransformer(
        map(_block, original.layers),
        TokenToImageAttention(original.final_attn_token_to_image),
        original.norm_final_attn,
    )


class ChannelsLastPromptEncoder(SlotPromptEncoder):
    """Embeds points like ``SlotPromptEncoder``, and masks with the channels last."""

    def __init__(self, original: PromptEncoder) -> None:
        super().__init__(original)
        conv1, norm1, _, conv2, norm2, _, conv3 = original.mask_downscaling
        self.mask_downscaling = nn.Sequential(
            PatchConv2d.of(conv1),
            channel_layer_norm(norm1),
            InPlaceGELU(),
            PatchConv2d.of(conv2),
            channel_layer_norm(norm2),
            InPlaceGELU(),
            PointwiseConv2d.of(conv3),
        )

    def embed_mask(self, mask_input: Tensor, has_mask_input: Tensor) -> Tensor:
        """Embed a mask (1, 1, S/4, S/4), if has_mask_input (1,) is 1, as (S/16 * S/16, dim)."""
        _, _, height, width = mask_input.shape
        embedding = self.mask_downscaling(mask_input.reshape(1, height, width, 1))
        embedding = embedding.flatten(0, 2)
        embedding *= has_mask_input
        embedding += (1 - has_mask_input) * self.no_mask_embed.weight
        return embedding


class ChannelsLastMaskDecoder(nn.Module):
    """Computes low_res_masks (1, 4, S/4, S/4) and iou_predictions (1, 4) from embeddings and prompts in N slots.

    For any k prompts in N slots, the answer is that of the reference for those k prompts. Empty slots are masked out of
    every attention, and attention does not depend on the order of the tokens.
    """

    def __init__(self, sam: Sam) -> None:
        super().__init__()
        prompt_encoder = copy.deepcopy(sam.prompt_encoder)
        decoder = copy.deepcopy(sam.mask_decoder)
        self.grid = GridPositionalEncoding(prompt_encoder)
        self.prompts = ChannelsLastPromptEncoder(prompt_encoder)
        self.transformer = _transformer(decoder.transformer)
        output_tokens = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight])
        self.output_tokens = nn.Parameter(output_tokens.detach().clone(), requires_grad=False)
        conv1, norm, _, conv2, _ = decoder.output_upscaling
        self.output_upscaling = nn.Sequential(
            PatchConvTranspose2d.of(conv1),
            channel_layer_norm(norm),
            InPlaceGELU(),
            PatchConvTranspose2d.of(conv2),
            InPlaceGELU(),
        )
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
        tokens = torch.cat([self.output_tokens, prompt_tokens[0]])
        token_bias = pad(prompt_bias, (len(self.output_tokens), 0))  # (1, tokens)

        _, _, height, width = image_embeddings.shape
        image = self.prompts.embed_mask(mask_input, has_mask_input)
        image += image_embeddings[0].flatten(1).transpose(0, 1)  # (dim, h, w) → (h*w, dim)
        tokens, image = self.transformer(image, self.grid()[0], tokens, token_bias)

        kernels = torch.cat(
            [mlp(tokens[1 + i : 2 + i]) for i, mlp in enumerate(self.output_hypernetworks_mlps)]
        )
        row_values = width * 4 * self.output_upscaling[3].out_features
        masks = []
        for first, end in row_strips(height, row_values):
            upscaled = self.output_upscaling(image[first * width : end * width])
            masks.append(kernels @ upscaled.transpose(0, 1))  # (4, pixels * 16)
        masks = torch.cat(masks, dim=1)
        # Each of the two layers has split every pixel in two rows and two columns.
        masks = masks.reshape(NUM_MASKS, height, width, 2, 2, 2, 2).permute(0, 1, 3, 5, 2, 4, 6)
        masks = masks.reshape(1, NUM_MASKS, 4 * height, 4 * width)
        return masks, self.iou_prediction_head(tokens[:1])
