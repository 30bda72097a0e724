"""Training in this repository: generated scenes, Segment Anything's recipe, and MobileSAM's distillation."""
