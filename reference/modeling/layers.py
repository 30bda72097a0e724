"""Layers that the encoder, the prompt encoder and the mask decoder share."""

import torch
from torch import Tensor, nn


class LayerNorm2d(nn.Module):
    """Layer normalization over the channels of a (B, C, H, W) tensor, as Segment Anything computes it."""

    def __init__(self, num_channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(num_channels))
        self.bias = nn.Parameter(torch.zeros(num_channels))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        centered = x - x.mean(1, keepdim=True)
        variance = centered.pow(2).mean(1, keepdim=True)
        x = centered / torch.sqrt(variance + self.eps)
        return self.weight[:, None, None] * x + self.bias[:, None, None]
