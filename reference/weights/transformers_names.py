"""Mapping tensor names of ``SamModel`` in Hugging Face's transformers to official names.

transformers renames the tensors of the prompt encoder and the mask decoder when it imports a checkpoint
(``convert_sam_to_hf.py``). It has no module for MobileSAM's image encoder, whose names stay the same except where those
rules match.
"""

import re

_GAUSSIAN_MATRIX = "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"

# Starts of names that only transformers uses. The rules apply to a file with at least one of them.
_MARKS = ("vision_encoder.", "shared_image_embedding.", "prompt_encoder.shared_embedding.")

# Pattern → replacement, all applied, in this order.
_RULES = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^shared_image_embedding\.positional_embedding$", _GAUSSIAN_MATRIX),
        (r"^prompt_encoder\.shared_embedding\.positional_embedding$", _GAUSSIAN_MATRIX),
        (r"^prompt_encoder\.point_embed\.", "prompt_encoder.point_embeddings."),
        (r"^(prompt_encoder)\.mask_embed\.conv1\.", r"\1.mask_downscaling.0."),
        (r"^(prompt_encoder)\.mask_embed\.layer_norm1\.", r"\1.mask_downscaling.1."),
        (r"^(prompt_encoder)\.mask_embed\.conv2\.", r"\1.mask_downscaling.3."),
        (r"^(prompt_encoder)\.mask_embed\.layer_norm2\.", r"\1.mask_downscaling.4."),
        (r"^(prompt_encoder)\.mask_embed\.conv3\.", r"\1.mask_downscaling.6."),
        (r"^(mask_decoder)\.upscale_conv1\.", r"\1.output_upscaling.0."),
        (r"^(mask_decoder)\.upscale_layer_norm\.", r"\1.output_upscaling.1."),
        (r"^(mask_decoder)\.upscale_conv2\.", r"\1.output_upscaling.3."),
        # The three layers of a perceptron: proj_in, layers.0, proj_out.
        (r"^(mask_decoder\.(?:iou|output)_\w+(?:\.\d+)?)\.layers\.0\.", r"\1.layers.1."),
        (r"^(mask_decoder\.(?:iou|output)_\w+(?:\.\d+)?)\.proj_in\.", r"\1.layers.0."),
        (r"^(mask_decoder\.(?:iou|output)_\w+(?:\.\d+)?)\.proj_out\.", r"\1.layers.2."),
        (r"^vision_encoder\.", "image_encoder."),
        (r"^(image_encoder\.neck)\.conv1\.", r"\1.0."),
        (r"^(image_encoder\.neck)\.layer_norm1\.", r"\1.1."),
        (r"^(image_encoder\.neck)\.conv2\.", r"\1.2."),
        (r"^(image_encoder\.neck)\.layer_norm2\.", r"\1.3."),
        (r"^(image_encoder\.(?:layers|stages)\.\d+)\.layers\.", r"\1.blocks."),
        (r"^((?:image_encoder|mask_decoder)\..*\b)layer_norm", r"\1norm"),
    )
)


def is_transformers_name(name: str) -> bool:
    """Return whether only transformers uses this tensor name."""
    return name.startswith(_MARKS)


def from_transformers(name: str) -> str:
    """Return the official name of a tensor in a model with transformers' names.

    A name that no rule matches is returned unchanged. The matrix of the positional encoding has two names in
    transformers, and one in official checkpoints.
    """
    for pattern, replacement in _RULES:
        name = pattern.sub(replacement, name)
    return name
