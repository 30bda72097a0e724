"""MobileSAM in PyTorch: the reference that every converted artefact is held to."""

from reference.common.lazy_names import lazy_names

_HOMES = {
    "SAM": "reference.predictor",
    "Predictor": "reference.predictor",
    "Segmentation": "reference.predictor",
    "Sam": "reference.modeling.sam",
    "build_sam": "reference.modeling.sam",
}
__all__ = list(_HOMES)
__getattr__ = lazy_names(__name__, _HOMES)
