"""Where a part of an export module came from: the path of the reference's own module."""

from collections.abc import Sequence

from torch import nn

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


def scope_path(module: nn.Module, names: Sequence[str], kinds: Sequence[str]) -> str:
    """Path in ``module`` of a scope that tracing recorded.

    A scope has only the modules that were *called*: a list of modules, or a module of which only a
    child is called, leaves no trace in it, and has to be found again.

    Args:
        module: what was traced.
        names: of the modules called, outermost first, each as its parent calls it.
        kinds: their classes.
    """
    path = []
    for name, kind in zip(names, kinds, strict=True):
        found = [
            below
            for below, child in module.get_submodule(".".join(path)).named_modules()
            if below.rpartition(".")[2] == name and type(child).__name__ == kind
        ]
        if not found:  # called from outside of it
            break
        path.append(min(found, key=lambda below: below.count(".")))
    return ".".join(path)
