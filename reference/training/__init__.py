"""Training weights: on generated scenes, with the recipe of Segment Anything, or by the distillation of MobileSAM."""
