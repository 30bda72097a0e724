"""MobileSAM in PyTorch: the reference that every converted artefact is held to."""

from reference.predictor import SAM, Predictor, Segmentation
from reference.sam import Sam, build_sam

__all__ = ["SAM", "Predictor", "Sam", "Segmentation", "build_sam"]
