"""Where a part of an export module came from: the path of the reference's own module."""

# Names that ``converters.export_modules`` gives to what the reference calls otherwise.
_IN_SAM = {
    "image_encoder": {"encoder": "image_encoder"},
    "mask_decoder": {"grid": "prompt_encoder.pe_layer", "prompts": "prompt_encoder"},
}
_RENAMED = {"image_to_token": "cross_attn_image_to_token"}
_WRAPPED = "original"  # the attribute in which a rewritten layer keeps the reference's


def source_path(component: str, path: str) -> str:
    """Path in ``Sam`` of the module that ``path`` in the export module was made from.

    >>> source_path("mask_decoder", "transformer.layers.0.image_to_token.original.q_proj")
    'mask_decoder.transformer.layers.0.cross_attn_image_to_token.q_proj'

    Args:
        component: "image_encoder" or "mask_decoder".
        path: dotted, in ``ImageEncoder`` or ``MaskDecoder``; "" for the export module itself, which
            holds parts of several modules of ``Sam``, and so has no source: "".
    """
    if not path:
        return ""
    first, *others = [_RENAMED.get(name, name) for name in path.split(".") if name != _WRAPPED]
    first = _IN_SAM[component].get(first, f"{component}.{first}")
    return ".".join([first, *others])
