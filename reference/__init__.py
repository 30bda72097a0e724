"""MobileSAM in PyTorch: the reference that every converted artefact is held to."""

from reference.lazy_names import lazy_names

_HOMES = {
    "SAM": "reference.predictor",
    "Predictor": "reference.predictor",
    "Segmentation": "reference.predictor",
    "Sam": "reference.sam",
    "build_sam": "reference.sam",
}
__all__ = list(_HOMES)
__getattr__ = lazy_names(__name__, _HOMES)
