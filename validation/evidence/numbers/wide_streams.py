"""Makes weights with residual streams as large as those of trained transformers, and larger."""

import copy

import torch

from reference.modeling.sam import Sam


@torch.no_grad()
def with_one_wide_channel(sam: Sam, size: float) -> Sam:
    """Return a copy in which one channel of every residual stream is larger by ``size``."""
    sam = copy.deepcopy(sam)
    for stage in sam.image_encoder.stages[1:]:
        stage.downsample.conv3.bn.bias[3] += size
    return sam


@torch.no_grad()
def with_wide_streams(sam: Sam, size: float) -> Sam:
    """Return a copy whose residual streams are ``size`` times as large, with nearly the same outputs."""
    sam = copy.deepcopy(sam)
    encoder = sam.image_encoder
    stages = list(encoder.stages)[1:]
    readers = [stage.downsample.conv1.conv for stage in stages[1:]] + [encoder.neck[0]]
    for stage, reader in zip(stages, readers, strict=True):
        norm = stage.downsample.conv3.bn
        for tensor in (norm.weight, norm.bias):
            tensor *= size
        for block in stage.blocks:
            for layer in (block.attn.proj, block.mlp.fc2):
                layer.weight *= size
                layer.bias *= size
            block.local_conv.bn.bias *= size
            block.local_conv.bn.running_mean *= size
        reader.weight /= size
    return sam
