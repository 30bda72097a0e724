"""The mask decoder for Core ML."""

import copy

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from converters.export_modules.channels_first.layer_norms import use_native_layer_norms
from converters.export_modules.prompt_encoder import GridPositionalEncoding, SlotPromptEncoder
from reference.modeling.mask_decoder import NUM_MASKS
from reference.modeling.sam import Sam
from reference.modeling.transformer import Attention, TwoWayAttentionBlock, TwoWayTransformer


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


class ChannelsFirstMaskDecoder(nn.Module):
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
