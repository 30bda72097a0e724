"""Tensor names: the official MobileSAM checkpoint's ↔ our module's.

Only the image encoder differs, because ours is built from timm's TinyViT blocks: timm names a
convolution ``conv`` where the original says ``c``, numbers ``stages`` rather than ``layers``, and
keeps a downsampling at the head of a stage, where the original has it at the tail of the layer
before.
"""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
from torch import nn

# Tensors of the official file that no part of Segment Anything uses: TinyViT's ImageNet classifier.
UNUSED_TENSORS = (
    "image_encoder.norm_head.weight",
    "image_encoder.norm_head.bias",
    "image_encoder.head.weight",
    "image_encoder.head.bias",
)

# A batch normalization's counter of batches: training needs it, and nothing that is computed does.
_COUNTER = ".num_batches_tracked"
# What TinyViT derives from the attention biases; some versions of it save that too.
_DERIVED = (".attention_bias_idxs", ".attn.ab")


class TensorLayout(NamedTuple):
    """Shape and dtype of one tensor of a checkpoint."""

    shape: tuple[int, ...]
    dtype: torch.dtype


# Prefixes in the image encoder: official, ours, and our index minus the official one ('#' stands
# for the index). The first that matches is replaced.
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
    """Our name of an official tensor; None for those of UNUSED_TENSORS.

    A name that no rule knows comes back unchanged: the prompt encoder's and the mask decoder's are
    the same.
    """
    if name in UNUSED_TENSORS:
        return None
    return _OFFICIAL_CONVOLUTION.sub(r"\1.conv.weight", _replace_prefix(name, _TO_OURS))


def official_name(name: str) -> str:
    """The official name of one of our tensors: the inverse of rename_official."""
    return _OUR_CONVOLUTION.sub(r"\1.c.weight", _replace_prefix(name, _TO_OFFICIAL))


def is_counter(name: str) -> bool:
    """Whether a tensor counts batches; it may be missing, or of any type, in a checkpoint."""
    return name.endswith(_COUNTER)


def is_unused(name: str) -> bool:
    """Whether an official file may hold a tensor that no part of Segment Anything uses."""
    return name in UNUSED_TENSORS or name.endswith(_DERIVED)


def has_no_effect(name: str) -> bool:
    """Whether nothing that is computed depends on a tensor of a file, so that it may hold anything."""
    return is_counter(name) or is_unused(name)


def official_layout(module: nn.Module) -> dict[str, TensorLayout]:
    """Layout of every tensor that ``module`` needs from a checkpoint, by official name."""
    return layout_of({official_name(name): tensor for name, tensor in module.state_dict().items()})


def layout_of(state_dict: Mapping[str, torch.Tensor]) -> dict[str, TensorLayout]:
    """Shapes and dtypes of ``state_dict``, under the same names."""
    return {name: TensorLayout(tuple(t.shape), t.dtype) for name, t in state_dict.items()}


def _replace_prefix(name: str, renames: Iterable[tuple[str, str, int]]) -> str:
    for prefix, new, shift in renames:
        match = re.match(re.escape(prefix).replace(re.escape("#"), r"(\d+)"), name)
        if match:
            index = str(int(match[1]) + shift) if match.groups() else ""
            return new.replace("#", index) + name[match.end() :]
    return name
