"""The mask decoder of Segment Anything, from image and prompt embeddings to mask logits and predicted IoU."""

import torch
from torch import Tensor, nn

from reference.mask_choice import NUM_MASKS
from reference.modeling.layers import LayerNorm2d
from reference.modeling.transformer import TwoWayTransformer
from reference.modeling.variants import Variant


class MLP(nn.Module):
    """Linear layers with ReLU between them."""

    def __init__(self, in_dim: int, hidden_dim: int, out_dim: int, num_layers: int) -> None:
        super().__init__()
        dims = [in_dim] + [hidden_dim] * (num_layers - 1) + [out_dim]
        self.layers = nn.ModuleList(nn.Linear(i, o) for i, o in zip(dims, dims[1:], strict=False))

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = layer(x).relu()
        return self.layers[-1](x)


class MaskDecoder(nn.Module):
    """Predicts four masks and their IoU from the embeddings of one image and the prompts of B objects."""

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        dim = variant.embedding_dim
        self.transformer = TwoWayTransformer(
            depth=2, dim=dim, num_heads=8, mlp_dim=variant.decoder_mlp_dim
        )
        self.iou_token = nn.Embedding(1, dim)
        self.mask_tokens = nn.Embedding(NUM_MASKS, dim)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(dim, dim // 4, kernel_size=2, stride=2),
            LayerNorm2d(dim // 4),
            nn.GELU(),
            nn.ConvTranspose2d(dim // 4, dim // 8, kernel_size=2, stride=2),
            nn.GELU(),
        )
        self.output_hypernetworks_mlps = nn.ModuleList(
            MLP(dim, dim, dim // 8, num_layers=3) for _ in range(NUM_MASKS)
        )
        self.iou_prediction_head = MLP(dim, 256, NUM_MASKS, num_layers=3)

    def forward(
        self, image_embeddings: Tensor, image_pe: Tensor, sparse: Tensor, dense: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Decode the prompts of B objects.

        Args:
            image_embeddings: (1, dim, h, w), embeddings of one image.
            image_pe: (1, dim, h, w), positional encoding of the embedding grid.
            sparse: (B, tokens, dim), embeddings of points and boxes.
            dense: (B, dim, h, w), embeddings of mask prompts.

        Returns:
            Mask logits (B, 4, 4h, 4w) and predicted IoU (B, 4). ``NUM_MASKS`` explains the four masks.
        """
        output_tokens = torch.cat([self.iou_token.weight, self.mask_tokens.weight])
        tokens = torch.cat([output_tokens.expand(len(sparse), -1, -1), sparse], dim=1)
        image = image_embeddings + dense
        batch, dim, height, width = image.shape

        tokens, image = self.transformer(image, image_pe, tokens)
        iou_token, mask_tokens = tokens[:, 0], tokens[:, 1 : 1 + NUM_MASKS]

        # (B, h*w, dim) → (B, dim, h, w)
        image = image.transpose(1, 2).reshape(batch, dim, height, width)
        upscaled = self.output_upscaling(image)  # (B, dim/8, 4h, 4w)
        # (B, 4, dim/8)
        kernels = torch.stack(
            [mlp(mask_tokens[:, i]) for i, mlp in enumerate(self.output_hypernetworks_mlps)], dim=1
        )
        masks = (kernels @ upscaled.flatten(2)).unflatten(-1, upscaled.shape[-2:])
        return masks, self.iou_prediction_head(iou_token)
