"""MobileSAM in PyTorch: the reference that every converted artefact is held to."""

import importlib

_HOMES = {
    "SAM": "reference.predictor",
    "Predictor": "reference.predictor",
    "Segmentation": "reference.predictor",
    "Sam": "reference.sam",
    "build_sam": "reference.sam",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: a command's --help need not wait for torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'reference' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)
