"""Mapping of tensor names between the official MobileSAM checkpoint and our module.

Only the names in the image encoder differ, because our encoder is built from timm's TinyViT blocks. timm names a
convolution ``conv`` where the original says ``c``, and numbers ``stages`` instead of ``layers``. It puts a downsampling
at the start of a stage, where the original puts it at the end of the layer before.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from torch import nn

# Tensors of the official file that Segment Anything does not use: the ImageNet classifier of TinyViT.
UNUSED_TENSORS = (
    "image_encoder.norm_head.weight",
    "image_encoder.norm_head.bias",
    "image_encoder.head.weight",
    "image_encoder.head.bias",
)

# The batch counter of a batch normalization. Only training uses it.
_COUNTER = ".num_batches_tracked"
# Tensors that TinyViT derives from the attention biases. Some versions of TinyViT save them too.
_DERIVED = (".attention_bias_idxs", ".attn.ab")


class TensorLayout(NamedTuple):
    """Shape and dtype of one tensor of a checkpoint."""

    shape: tuple[int, ...]
    dtype: torch.dtype


# Prefixes in the image encoder: the official one, ours, and our index minus the official index. '#' stands for the
# index. The first prefix that matches is replaced.
_TO_OURS = (
    ("image_encoder.patch_embed.seq.0.", "image_encoder.patch_embed.conv1.", 0),
    ("image_encoder.patch_embed.seq.2.", "image_encoder.patch_embed.conv2.", 0),
    ("image_encoder.layers.#.downsample.", "image_encoder.stages.#.downsample.", 1),
    ("image_encoder.layers.#.", "image_encoder.stages.#.", 0),
)
_TO_OFFICIAL = tuple((ours, official, -shift) for official, ours, shift in _TO_OURS)
_OFFICIAL_CONVOLUTION = re.compile(r"^(image_encoder\..+)\.c\.weight$")
_OUR_CONVOLUTION = re.compile(r"^(image_encoder\..+)\.conv\.weight$")


def rename_official(name: str) -> str | None:
    """Return our name of an official tensor, or None for one of ``UNUSED_TENSORS``.

    A name that no rule matches is returned unchanged. The names in the prompt encoder and the mask decoder are the same
    on both sides.
    """
    if name in UNUSED_TENSORS:
        return None
    return _OFFICIAL_CONVOLUTION.sub(r"\1.conv.weight", _replace_prefix(name, _TO_OURS))


def official_name(name: str) -> str:
    """Return the official name of one of our tensors. This is the inverse of ``rename_official``."""
    return _OUR_CONVOLUTION.sub(r"\1.c.weight", _replace_prefix(name, _TO_OFFICIAL))


def is_counter(name: str) -> bool:
    """Return whether a tensor counts batches. In a checkpoint it may be missing or have any type."""
    return name.endswith(_COUNTER)


def is_unused(name: str) -> bool:
    """Return whether Segment Anything does not use a tensor that official files may hold."""
    return name in UNUSED_TENSORS or name.endswith(_DERIVED)


def has_no_effect(name: str) -> bool:
    """Return whether no mask depends on a tensor, so that its values do not matter."""
    return is_counter(name) or is_unused(name)


def official_layout(module: nn.Module) -> dict[str, TensorLayout]:
    """Return the layout of every tensor that ``module`` needs from a checkpoint, by official name."""
    return layout_of({official_name(name): tensor for name, tensor in module.state_dict().items()})


def layout_of(state_dict: Mapping[str, torch.Tensor]) -> dict[str, TensorLayout]:
    """Return the shapes and dtypes of ``state_dict``, under the same names."""
    return {name: TensorLayout(tuple(t.shape), t.dtype) for name, t in state_dict.items()}


def _replace_prefix(name: str, renames: Iterable[tuple[str, str, int]]) -> str:
    for prefix, new, shift in renames:
        match = re.match(re.escape(prefix).replace(re.escape("#"), r"(\d+)"), name)
        if match:
            index = str(int(match[1]) + shift) if match.groups() else ""
            return new.replace("#", index) + name[match.end() :]
    return name
