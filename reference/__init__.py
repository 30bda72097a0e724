"""MobileSAM in PyTorch: the reference that every converted artifact is compared with."""

from reference.common.lazy_names import lazy_names

_HOMES = {
    "SAM": "reference.sam",
    "Predictor": "reference.predictor",
    "Segmentation": "reference.segmentation",
    "Sam": "reference.modeling.sam",
    "build_sam": "reference.builder",
    "draw_overlay": "reference.photos.overlay",
}
__all__ = list(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
