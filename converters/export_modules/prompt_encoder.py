"""The prompt encoder for a fixed number of prompt slots."""

import math

import torch
from torch import Tensor, nn

from converters.io_spec import (
    LABEL_BACKGROUND,
    LABEL_BOX_BOTTOM_RIGHT,
    LABEL_BOX_TOP_LEFT,
    LABEL_EMPTY_SLOT,
    LABEL_OBJECT,
)
from reference.modeling.prompt_encoder import PromptEncoder

# This is added to the attention logits of hidden keys. exp(-1e4) is exactly 0 in every float format. Unlike -inf or
# the minimum of float32, -1e4 can be added to a real logit without leaving the range of float16.
HIDDEN = -1e4


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

    def sine_and_cosine(self) -> tuple[Tensor, Tensor]:
        """Return the two halves of the encoding, each with the axes of the tables."""
        sin = self.column_sin * self.row_cos + self.column_cos * self.row_sin
        cos = self.column_cos * self.row_cos - self.column_sin * self.row_sin
        return sin, cos

    def forward(self) -> Tensor:
        return torch.cat(self.sine_and_cosine(), dim=-1).flatten(0, 1)[None]


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
