"""Build a model and load its weights."""

from pathlib import Path

from reference.modeling.sam import Sam
from reference.modeling.variants import Variant, get_variant
from reference.weights.checkpoint import Checkpoint, load_weights, resolve_checkpoint


def build_sam(model: str = "vit_t", checkpoint: str | Path = "demo") -> Sam:
    """Build a model in eval mode with the weights of ``checkpoint`` (a name or a file).

    Raises:
        MobileSAMError: an unknown model name.
        CheckpointError: weights that cannot be fetched, read, or that do not fit the model.
    """
    variant = get_variant(model)
    return load_sam(variant, resolve_checkpoint(checkpoint, variant))


def load_sam(variant: Variant, checkpoint: Checkpoint) -> Sam:
    """A model of ``variant`` in eval mode with the weights of ``checkpoint``; CheckpointError if they do not fit."""
    sam = Sam(variant)
    load_weights(sam, checkpoint.state_dict, name=f"'{checkpoint.name}'")
    return sam.eval()
