"""Finds the reference module that a part of an export module was made from."""

# Names in ``converters.export_modules`` → names of the same modules in the reference.
_IN_SAM = {
    "image_encoder": {"encoder": "image_encoder"},
    "mask_decoder": {"grid": "prompt_encoder.pe_layer", "prompts": "prompt_encoder"},
}
# Parts that a rewritten layer has and its original has not: the original itself, and the table of attention biases.
_OWN_PARTS = ("original", "bias")


def source_path(component: str, path: str) -> str:
    """Path in ``Sam`` of the module that ``path`` in the export module was made from.

    >>> source_path("mask_decoder", "transformer.layers.0.cross_attn_image_to_token.q_proj")
    'mask_decoder.transformer.layers.0.cross_attn_image_to_token.q_proj'

    Args:
        component: "image_encoder" or "mask_decoder".
        path: dotted path in the component's export module; "" for that module itself.

    Returns:
        The dotted path; "" for the export module itself, which was made from several modules of ``Sam``.
    """
    if not path:
        return ""
    first, *others = [name for name in path.split(".") if name not in _OWN_PARTS]
    first = _IN_SAM[component].get(first, f"{component}.{first}")
    return ".".join([first, *others])
