"""``SAM``: one call from a photo and prompts to masks."""

from pathlib import Path

from reference.builder import load_sam
from reference.modeling.sam import Sam
from reference.modeling.variants import get_variant
from reference.photo_segmenter import PhotoSegmenter
from reference.weights.checkpoint import resolve_checkpoint


class SAM(PhotoSegmenter):
    """MobileSAM with its weights: one call from a photo and prompts to masks.

    Each call embeds the photo again. To ask many questions about one photo, use ``Predictor``.

    Example:
        >>> sam = SAM("mobile_sam.pt")
        >>> (segmentation,) = sam.predict("photo.jpg", points=[900, 370], labels=[1])
        >>> best_mask = segmentation.masks[0]

    Attributes:
        checkpoint: the weights and where they come from: ``name``, ``sha256``, ``trained`` and ``state_dict``.
        model: the network, a ``Sam`` in eval mode.
    """

    def __init__(self, checkpoint: str | Path = "demo", model: str = "vit_t") -> None:
        """Build the model and load its weights.

        Args:
            checkpoint: the weights. ``"demo"`` comes with this package, ``"official"`` is MobileSAM's own checkpoint
                and is downloaded once, and ``"seeded"`` is untrained. Anything else is the path of a ``.pt`` or
                ``.safetensors`` file.
            model: the name of the variant that the weights belong to. ``"vit_t"`` is MobileSAM.

        Raises:
            MobileSAMError: the model name is unknown, or the weights cannot be fetched, read or loaded.
        """
        variant = get_variant(model)
        self.checkpoint = resolve_checkpoint(checkpoint, variant)
        self.model = load_sam(variant, self.checkpoint)

    @property
    def promptable(self) -> Sam:
        """The network."""
        return self.model
