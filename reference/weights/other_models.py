"""Recognizing weights of other models, so that an error can name the model and the fix."""

import re
from collections.abc import Mapping

from reference.weights.official_names import TensorLayout

_FINE_TUNED = "expected weights of MobileSAM, such as mobile_sam.pt or weights fine-tuned from it"
_SAM_ENCODERS = {768: "SAM ViT-B", 1024: "SAM ViT-L", 1280: "SAM ViT-H"}  # embedding width → model
_PATCH = 16  # pixels per patch in all these ViTs

# Pattern of a tensor name → the model with such names. The first match counts, and precedes positional embeddings.
_MODELS = tuple(
    (re.compile(pattern), what)
    for pattern, what in (
        (
            r"\b(?:sam_mask_decoder|memory_attention|memory_encoder|maskmem_tpos_enc)\b|"
            r"\bimage_encoder\.(?:trunk|backbone\.(?:blocks|pos_embed))\b",
            "SAM 2",
        ),
        (r"\bvision_backbone\.|^detector\.", "SAM 3"),
        (
            r"\bmask_decoder\.(?:hf_|compress_vit|embedding_)",
            "HQ-SAM, whose decoder has more layers",
        ),
        (r"\bmodel\.\d+\.(?:conv|cv\d|m|bn|dfl)\b", "a YOLO network, as FastSAM is"),
        (r"\bimage_encoder\.(?:features|fuse_stage)", "EdgeSAM or RepViT-SAM"),
        (
            r"\bimage_encoder\.(?:backbone\.(?:input_stem|stages)|neck\.input_ops)\.",
            "EfficientViT-SAM",
        ),
    )
)
# Pattern of a tensor name → the kind of layer, and what to do. They are tried after the models, because any model can
# have such layers.
_LAYERS = tuple(
    (re.compile(pattern), what, advice)
    for pattern, what, advice in (
        (
            r"\blora_",
            "LoRA adapters beside the layers",
            "merge them into the layers (peft: model.merge_and_unload()) and save that state_dict()",
        ),
        (
            r"\.parametrizations\.|\.weight_[gv]$",
            "parametrized layers",
            "bake them in with torch.nn.utils.parametrize.remove_parametrizations and save again",
        ),
        (
            r"\.weight_(?:orig|mask)$",
            "pruned layers with their masks",
            "bake them in with torch.nn.utils.prune.remove and save again",
        ),
        (r"adapter", "adapters beside the layers", _FINE_TUNED),
    )
)
_WHOLE = "save the state_dict() of the whole model: image encoder, prompt encoder and mask decoder"
_TINY_VIT = re.compile(r"\b(?:patch_embed\.seq\.0\.c|patch_embed\.conv1\.conv)\.weight$")


def looks_like(
    given: Mapping[str, TensorLayout], expected: Mapping[str, TensorLayout]
) -> str | None:
    """Say what a file that does not fit holds, and what to do; None if nothing is recognized.

    Args:
        given: layouts of the tensors in the file, under official names where these are known.
        expected: layouts of the tensors of the model.
    """
    for pattern, what in _MODELS:
        if any(map(pattern.search, given)):
            return f"{what}: {_FINE_TUNED}"
    for name, layout in given.items():
        if name.endswith("pos_embed"):
            return f"{_vision_transformer(layout.shape)}: {_FINE_TUNED}"
    for pattern, what, advice in _LAYERS:
        if any(map(pattern.search, given)):
            return f"{what}: {advice}"
    window = _other_window(given, expected)
    if window is not None:
        return f"a TinyViT for pictures of another size, {window}: {_FINE_TUNED}"
    if any(map(_TINY_VIT.search, given)) and not any("mask_decoder." in name for name in given):
        return f"an image encoder alone: {_WHOLE}"
    if given and not any(name.startswith("image_encoder.") for name in given):
        parts = sorted({name.split(".")[0] for name in given} & {"mask_decoder", "prompt_encoder"})
        if parts:
            return f"the {' and '.join(parts)} alone: {_WHOLE}"
    return None


def _vision_transformer(shape: tuple[int, ...]) -> str:
    """Return the ViT that has a positional embedding of this shape."""
    if len(shape) not in (3, 4):
        return "a vision transformer"
    if len(shape) == 3:  # (1, tokens, dim), as in ImageNet's ViTs
        return "EfficientSAM or another ViT"
    name = _SAM_ENCODERS.get(shape[-1], "a SAM with a ViT")
    side = shape[1] * _PATCH
    return name if side == 1024 else f"{name} for pictures of {side}×{side}"


def _other_window(
    given: Mapping[str, TensorLayout], expected: Mapping[str, TensorLayout]
) -> str | None:
    """Say how the attention windows differ, if the tables of attention biases have another size."""
    for name, layout in given.items():
        if not name.endswith(".attention_biases") or name not in expected:
            continue
        if len(layout.shape) == 2 and layout.shape[0] == expected[name].shape[0]:
            size, right = (round(each.shape[1] ** 0.5) for each in (layout, expected[name]))
            if size != right:
                return f"with attention windows of {size}×{size} instead of {right}×{right}"
    return None
