"""Building a model and loading its weights."""

from pathlib import Path

from reference.modeling.sam import Sam
from reference.modeling.variants import Variant, get_variant
from reference.weights.checkpoint import Checkpoint, load_weights, resolve_checkpoint


def build_sam(model: str = "vit_t", checkpoint: str | Path = "demo") -> Sam:
    """Build a model and load its weights.

    Args:
        model: the name of the variant. ``"vit_t"`` is MobileSAM.
        checkpoint: the weights. ``"demo"`` comes with this package, ``"official"`` is MobileSAM's own checkpoint
            and is downloaded once, and ``"seeded"`` is untrained. Anything else is the path of a ``.pt`` or
            ``.safetensors`` file.

    Returns:
        The model on the CPU, in eval mode.

    Raises:
        MobileSAMError: the model name is unknown.
        CheckpointError: the weights cannot be fetched or read, or do not fit the model.
    """
    variant = get_variant(model)
    return load_sam(variant, resolve_checkpoint(checkpoint, variant))


def load_sam(variant: Variant, checkpoint: Checkpoint) -> Sam:
    """Build a model of ``variant`` in eval mode and load ``checkpoint`` into it.

    Raises:
        CheckpointError: the weights do not fit the variant.
    """
    sam = Sam(variant)
    load_weights(sam, checkpoint.state_dict, name=f"'{checkpoint.name}'")
    return sam.eval()
