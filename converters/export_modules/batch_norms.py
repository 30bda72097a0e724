"""Folding batch normalizations into convolutions."""

from timm.models.tiny_vit import ConvNorm
from torch import nn


def fold_batch_norms(module: nn.Module) -> None:
    """Replace every convolution with its batch normalization by one convolution with a bias, in place."""
    for name, child in module.named_children():
        if isinstance(child, ConvNorm):
            setattr(module, name, child.fuse())
        else:
            fold_batch_norms(child)
