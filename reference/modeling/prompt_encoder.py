"""The prompt encoder of Segment Anything, which embeds points, boxes and masks (Kirillov et al., 2023, section 3)."""

import math

import torch
from torch import Tensor, nn

from reference.modeling.layers import LayerNorm2d
from reference.modeling.variants import Variant

MASK_CHANNELS = 16  # hidden channels of the convolutions over a mask prompt


class RandomPositionalEncoding(nn.Module):
    """Positional encoding with random spatial frequencies (Tancik et al., 2020)."""

    positional_encoding_gaussian_matrix: Tensor

    def __init__(self, num_frequencies: int) -> None:
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.randn(2, num_frequencies))

    def forward(self, coords: Tensor) -> Tensor:
        """Encode coordinates (…, 2), x and y in 0…1, as (…, 2 × num_frequencies): sines, then cosines."""
        phase = 2 * math.pi * ((2 * coords - 1) @ self.positional_encoding_gaussian_matrix)
        return torch.cat([phase.sin(), phase.cos()], dim=-1)

    def encode_grid(self, x: Tensor, y: Tensor) -> Tensor:
        """Encode a grid with columns at x (w,) and rows at y (h,), in 0…1, as (1, 2 × num_frequencies, h, w)."""
        y, x = torch.meshgrid(y, x, indexing="ij")
        return self(torch.stack([x, y], dim=-1)).permute(2, 0, 1)[None]


class PromptEncoder(nn.Module):
    """Embeds sparse prompts (points and boxes) and dense prompts (masks) for the mask decoder."""

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        dim = variant.embedding_dim
        self.image_size = variant.image_size
        self.embedding_size = variant.embedding_size
        self.pe_layer = RandomPositionalEncoding(dim // 2)
        # Background point, object point, top-left corner of a box, bottom-right corner of a box.
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, dim) for _ in range(4))
        self.not_a_point_embed = nn.Embedding(1, dim)
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(1, MASK_CHANNELS // 4, kernel_size=2, stride=2),
            LayerNorm2d(MASK_CHANNELS // 4),
            nn.GELU(),
            nn.Conv2d(MASK_CHANNELS // 4, MASK_CHANNELS, kernel_size=2, stride=2),
            LayerNorm2d(MASK_CHANNELS),
            nn.GELU(),
            nn.Conv2d(MASK_CHANNELS, dim, kernel_size=1),
        )
        self.no_mask_embed = nn.Embedding(1, dim)

    def dense_positional_encoding(self) -> Tensor:
        """Return the positional encoding of the cell centers of the embedding grid, (1, dim, side, side)."""
        side = self.embedding_size
        centers = (torch.arange(side, device=self.no_mask_embed.weight.device) + 0.5) / side
        return self.pe_layer.encode_grid(centers, centers)

    def _type_embedding(self, label: int) -> Tensor:
        """The learned embedding (1, dim) of a type of point."""
        embedding = self.point_embeddings[label]
        assert isinstance(embedding, nn.Embedding)
        return embedding.weight

    def _embed_points(self, coords: Tensor, labels: Tensor) -> Tensor:
        embeddings = self.pe_layer((coords + 0.5) / self.image_size)  # center of a pixel, in 0…1
        is_padding = (labels == -1)[..., None]
        embeddings = torch.where(is_padding, self.not_a_point_embed.weight, embeddings)
        for label in (0, 1):
            of_label = (labels == label)[..., None]
            embeddings = embeddings + of_label * self._type_embedding(label)
        return embeddings

    def _embed_boxes(self, boxes: Tensor) -> Tensor:
        corners = (boxes.reshape(-1, 2, 2) + 0.5) / self.image_size
        types = torch.stack([self._type_embedding(i)[0] for i in (2, 3)])
        return self.pe_layer(corners) + types

    def forward(
        self,
        points: tuple[Tensor, Tensor] | None,
        boxes: Tensor | None,
        masks: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Embed the prompts of B objects.

        Args:
            points: coordinates (B, K, 2), x and y in pixels of the frame, and labels (B, K), 1 for a point on the
                object and 0 for the background; or None.
            boxes: (B, 4), x1, y1, x2, y2 in pixels of the frame, or None.
            masks: (B, 1, side × 4, side × 4), logits of an earlier answer, or None.

        Returns:
            Sparse embeddings (B, tokens, dim) and dense embeddings (B, dim, side, side). If there are points without a
            box, a "not a point" token is appended, as in the training of the model.
        """
        sparse = []
        if points is not None:
            coords, labels = points
            if boxes is None:
                coords = nn.functional.pad(coords, (0, 0, 0, 1))
                labels = nn.functional.pad(labels, (0, 1), value=-1)
            sparse.append(self._embed_points(coords, labels))
        if boxes is not None:
            sparse.append(self._embed_boxes(boxes))
        batch = len(sparse[0]) if sparse else len(masks) if masks is not None else 1
        no_mask = self.no_mask_embed.weight
        sparse_embeddings = (
            torch.cat(sparse, 1) if sparse else no_mask.new_empty(batch, 0, no_mask.shape[1])
        )

        if masks is not None:
            return sparse_embeddings, self.mask_downscaling(masks)
        side = self.embedding_size
        return sparse_embeddings, no_mask.reshape(1, -1, 1, 1).expand(batch, -1, side, side)
