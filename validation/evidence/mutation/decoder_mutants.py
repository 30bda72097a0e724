"""Mistakes in the mask decoder, which are made before it is traced."""

import copy
import functools
import math

import torch
from torch import Tensor, nn

from converters.export_modules.channels_last.mask_decoder import (
    ChannelsLastMaskDecoder,
    ChannelsLastPromptEncoder,
    TokenAttention,
)
from converters.export_modules.prompt_encoder import (
    HIDDEN,
    GridPositionalEncoding,
)
from converters.export_modules.two_way_transformer import SlotAttentionBlock
from reference.modeling.sam import Sam
from validation.evidence.mutation.encoder_mutants import (
    After,
    Then,
    approximate_gelu,
    use_keras_epsilon,
)
from validation.evidence.mutation.mutant import ModuleMutant
from validation.stages import MASK_DECODER

mutant = functools.partial(
    ModuleMutant, format="torchscript", expected=MASK_DECODER, component=MASK_DECODER
)

# Prompts


def exchange_point_axes(module: ChannelsLastMaskDecoder, _: Sam) -> nn.Module:
    return After(lambda e, coords, *rest: (e, coords.flip(-1), *rest), module)


def forget_half_pixel(module: ChannelsLastMaskDecoder, _: Sam) -> nn.Module:
    return After(lambda e, coords, *rest: (e, coords - 0.5, *rest), module)


def exchange_point_labels(module: ChannelsLastMaskDecoder, _: Sam) -> nn.Module:
    return _with_types(module, [1, 0, 2, 3])


def exchange_corner_labels(module: ChannelsLastMaskDecoder, _: Sam) -> nn.Module:
    return _with_types(module, [0, 1, 3, 2])


class NeverPadded(ChannelsLastPromptEncoder):
    """Always hides the "not a point" token."""

    def embed_points(self, coords: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        tokens, bias = super().embed_points(coords, labels)
        return tokens, torch.cat([bias[:, :-1], torch.full_like(bias[:, -1:], HIDDEN)], dim=1)


class AlwaysPadded(ChannelsLastPromptEncoder):
    """Always shows the "not a point" token."""

    def embed_points(self, coords: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        tokens, bias = super().embed_points(coords, labels)
        return tokens, torch.cat([bias[:, :-1], torch.zeros_like(bias[:, -1:])], dim=1)


class EmptySlotsSeen(ChannelsLastPromptEncoder):
    """Hides no slots, not even empty ones."""

    def embed_points(self, coords: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        tokens, bias = super().embed_points(coords, labels)
        return tokens, torch.cat([torch.zeros_like(bias[:, :-1]), bias[:, -1:]], dim=1)


class LastEmptySlotSeen(ChannelsLastPromptEncoder):
    """Hides all empty slots except the last."""

    def embed_points(self, coords: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        tokens, bias = super().embed_points(coords, labels)
        seen = torch.zeros_like(bias[:, :1])
        return tokens, torch.cat([bias[:, :-2], seen, bias[:, -1:]], dim=1)


def _encode_prompts_by(
    kind: type[ChannelsLastPromptEncoder], module: ChannelsLastMaskDecoder, sam: Sam
) -> nn.Module:
    module.prompts = kind(copy.deepcopy(sam.prompt_encoder))
    return module


def ignore_mask_prompt(module: ChannelsLastMaskDecoder, _: Sam) -> nn.Module:
    return After(lambda e, xy, labels, mask, has: (e, xy, labels, mask, has * 0), module)


def invert_has_mask(module: ChannelsLastMaskDecoder, _: Sam) -> nn.Module:
    return After(lambda e, xy, labels, mask, has: (e, xy, labels, mask, 1 - has), module)


def transpose_mask_prompt(module: ChannelsLastMaskDecoder, _: Sam) -> nn.Module:
    return After(lambda e, xy, labels, m, has: (e, xy, labels, m.transpose(2, 3), has), module)


class CornerGrid(GridPositionalEncoding):
    """Uses the corners of cells instead of their centers, which is half a cell off."""

    def __init__(self, sam: Sam) -> None:
        super().__init__(sam.prompt_encoder)
        frequencies = sam.prompt_encoder.pe_layer.positional_encoding_gaussian_matrix
        shift = -2 * math.pi / len(self.row_sin) * frequencies  # shifts the phase by half a cell
        for axis, name in enumerate(("column", "row")):
            sin, cos = getattr(self, f"{name}_sin"), getattr(self, f"{name}_cos")
            by_sin, by_cos = shift[axis].sin(), shift[axis].cos()
            setattr(self, f"{name}_sin", sin * by_cos + cos * by_sin)
            setattr(self, f"{name}_cos", cos * by_cos - sin * by_sin)


def take_corners_for_centers(module: ChannelsLastMaskDecoder, sam: Sam) -> nn.Module:
    module.grid = CornerGrid(sam)
    return module


def transpose_grid(module: ChannelsLastMaskDecoder, _: Sam) -> nn.Module:
    side = module.grid.row_sin.shape[0]
    module.grid = Then(
        module.grid, lambda pe: pe.unflatten(1, (side, side)).transpose(1, 2).flatten(1, 2)
    )
    return module


# Transformer


def forget_softmax_scale(module: ChannelsLastMaskDecoder, sam: Sam) -> nn.Module:
    originals = sam.mask_decoder.transformer.layers
    for layer, original in zip(module.transformer.layers, originals, strict=True):
        layer.self_attn.q_proj = copy.deepcopy(original.self_attn.q_proj)
    return module


class InterleavedHeads(TokenAttention):
    """Splits the projections (tokens, C) as (tokens, d, heads) instead of (tokens, heads, d)."""

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(len(x), -1, self.num_heads).permute(2, 0, 1)

    def _join(self, heads: Tensor) -> Tensor:
        return self.out_proj(heads.permute(1, 2, 0).flatten(1))


def interleave_heads(module: ChannelsLastMaskDecoder, sam: Sam) -> nn.Module:
    original = copy.deepcopy(sam.mask_decoder.transformer.layers[0].self_attn)
    module.transformer.layers[0].self_attn = InterleavedHeads(original)
    return module


class WithoutImageResidual(nn.Module):
    """A two-way block in which attention replaces the image tokens, instead of being added to them."""

    def __init__(self, block: SlotAttentionBlock) -> None:
        super().__init__()
        self.block = block

    def forward(
        self, queries: Tensor, keys: Tensor, query_pe: Tensor, key_pe: Tensor, token_bias: Tensor
    ) -> tuple[Tensor, Tensor]:
        queries, _ = self.block(queries, keys.clone(), query_pe, key_pe, token_bias)
        attended = self.block.cross_attn_image_to_token(
            torch.zeros_like(keys), keys + key_pe, queries + query_pe, queries, token_bias
        )
        return queries, self.block.norm4(attended)


def drop_residual(module: ChannelsLastMaskDecoder, _: Sam) -> nn.Module:
    layers = module.transformer.layers
    layers[0] = WithoutImageResidual(layers[0])
    return module


def skip_layer_norm(module: ChannelsLastMaskDecoder, _: Sam) -> nn.Module:
    module.transformer.layers[1].norm3 = nn.Identity()
    return module


def encode_first_queries(module: ChannelsLastMaskDecoder, _: Sam) -> nn.Module:
    module.transformer.layers[0].skip_first_layer_pe = False
    return module


# Outputs


def rotate_guesses(module: ChannelsLastMaskDecoder, _: Sam) -> nn.Module:
    return Then(module, lambda masks, scores: (masks[:, [0, 2, 3, 1]], scores))


def permute_scores(module: ChannelsLastMaskDecoder, _: Sam) -> nn.Module:
    return Then(module, lambda masks, scores: (masks, scores[:, [0, 2, 3, 1]]))


def exchange_outputs(module: ChannelsLastMaskDecoder, _: Sam) -> nn.Module:
    return Then(module, lambda masks, scores: (scores, masks))


def give_probabilities(module: ChannelsLastMaskDecoder, _: Sam) -> nn.Module:
    return Then(module, lambda masks, scores: (masks.sigmoid(), scores))


def roll_output_tokens(module: ChannelsLastMaskDecoder, _: Sam) -> nn.Module:
    module.output_tokens.data.copy_(module.output_tokens.data.roll(1, dims=1).clone())
    return module


def swap_embedding_axes(module: ChannelsLastMaskDecoder, _: Sam) -> nn.Module:
    return After(lambda e, *rest: (e.transpose(2, 3), *rest), module)


def flip_upscaling(module: ChannelsLastMaskDecoder, _: Sam) -> nn.Module:
    weight = module.output_upscaling[0].weight
    pixels = weight.data.unflatten(0, (4, -1))  # the four pixels of a patch
    weight.data.copy_(pixels.flip(0).flatten(0, 1).clone())
    return module


def drop_upscaling_bias(module: ChannelsLastMaskDecoder, _: Sam) -> nn.Module:
    module.output_upscaling[3].bias.data.zero_()
    return module


def approximate_upscaling(module: ChannelsLastMaskDecoder, sam: Sam) -> nn.Module:
    approximate_gelu(module.output_upscaling, sam)
    return module


def approximate_mask_downscaling(module: ChannelsLastMaskDecoder, sam: Sam) -> nn.Module:
    approximate_gelu(module.prompts.mask_downscaling, sam)
    return module


def take_other_weights(_: ChannelsLastMaskDecoder, sam: Sam) -> nn.Module:
    """Shuffle each kernel's weights, which keeps their distribution."""
    other = copy.deepcopy(sam)
    generator = torch.Generator().manual_seed(0)
    for parameter in other.mask_decoder.parameters():
        order = torch.randperm(parameter.numel(), generator=generator)
        parameter.data.copy_(parameter.data.flatten()[order].reshape(parameter.shape))
    return ChannelsLastMaskDecoder(other).eval()


def _with_types(module: ChannelsLastMaskDecoder, order: list[int]) -> nn.Module:
    types = module.prompts.type_embeddings
    types.data.copy_(types.data[order].clone())
    return module


_MUTANTS = (
    ("x and y exchanged, in the graph", "points read as y, x", exchange_point_axes),
    ("+0.5 missing", "the corner of a pixel instead of its center", forget_half_pixel),
    (
        "point labels exchanged",
        "object points read as background, and the reverse",
        exchange_point_labels,
    ),
    ("corner labels exchanged", "the two corners of a box exchanged", exchange_corner_labels),
    (
        '"not a point" token missing',
        "points without a box lack the padding token",
        functools.partial(_encode_prompts_by, NeverPadded),
    ),
    (
        '"not a point" token always there',
        "boxes have a padding as well",
        functools.partial(_encode_prompts_by, AlwaysPadded),
    ),
    (
        "empty slots seen",
        "no slot is hidden from attention",
        functools.partial(_encode_prompts_by, EmptySlotsSeen),
    ),
    (
        "last slot never hidden",
        "the last empty slot is not hidden from attention",
        functools.partial(_encode_prompts_by, LastEmptySlotSeen),
    ),
    ("mask prompt ignored", "has_mask_input is not read", ignore_mask_prompt),
    ("has_mask_input inverted", "1 means that there is no mask", invert_has_mask),
    ("mask prompt transposed", "rows and columns exchanged", transpose_mask_prompt),
    (
        "grid off by half a cell",
        "the corners of cells instead of their centers",
        take_corners_for_centers,
    ),
    ("grid transposed", "the positional encoding's rows and columns exchanged", transpose_grid),
    ("softmax scale forgotten", "1/sqrt(d) missing in self-attention", forget_softmax_scale),
    ("heads interleaved wrongly", "channels are given to the heads alternately", interleave_heads),
    ("residual dropped", "a block's attention replaces the image tokens", drop_residual),
    ("layer norm skipped", "no layer norm after an MLP", skip_layer_norm),
    ("layer norm epsilon 1e-3", "Keras' default in every layer norm", use_keras_epsilon),
    (
        "first block with positions",
        "the first self-attention adds positions as well",
        encode_first_queries,
    ),
    ("masks 1…3 rotated", "the three guesses in another order than their scores", rotate_guesses),
    ("scores permuted", "the scores of the three guesses in another order", permute_scores),
    ("outputs exchanged", "scores where the masks should be", exchange_outputs),
    ("sigmoid in the graph", "probabilities instead of logits", give_probabilities),
    (
        "output tokens rolled",
        "the token of the scores after those of the masks",
        roll_output_tokens,
    ),
    (
        "embedding axes swapped",
        "rows and columns of the input embeddings exchanged",
        swap_embedding_axes,
    ),
    ("upscaling kernels flipped", "each 2×2 block of pixels mirrored", flip_upscaling),
    ("bias dropped", "no bias in the last upscaling", drop_upscaling_bias),
    (
        "GELU by tanh, upscaling",
        "the approximation instead of the exact function",
        approximate_upscaling,
    ),
    (
        "GELU by tanh, mask prompt",
        "the same approximation where mask prompts come in",
        approximate_mask_downscaling,
    ),
    (
        "weights of another checkpoint",
        "a decoder that belongs to another encoder",
        take_other_weights,
    ),
)

DECODER_MUTANTS = (
    *(
        mutant(f"decoder: {name}", text, scheme="none", change=change)
        for name, text, change in _MUTANTS
    ),
    mutant(
        "decoder: empty slots seen, int8",
        "no slot is hidden from attention",
        scheme="int8",
        change=functools.partial(_encode_prompts_by, EmptySlotsSeen),
    ),
    mutant(
        "decoder: scores permuted, fp16",
        "the scores of the three guesses in another order",
        scheme="fp16",
        change=permute_scores,
    ),
)
