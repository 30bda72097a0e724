"""One call from photo and prompts to masks."""

from pathlib import Path

import numpy as np
from PIL import Image

from reference.builder import load_sam
from reference.modeling.variants import get_variant
from reference.photos.images import read_image
from reference.prompts import Prompt, normalize_prompts
from reference.segmentation import OnStep, Segmentation, segment_objects
from reference.weights.checkpoint import resolve_checkpoint


class SAM:
    """One call from photo and prompts to masks.

    >>> SAM("mobile_sam.pt").predict("photo.jpg", points=[900, 370], labels=[1])
    """

    def __init__(self, checkpoint: str | Path = "demo", model: str = "vit_t") -> None:
        """Load ``checkpoint``: "demo", "official", "seeded", or a ``.pt`` or ``.safetensors`` file.

        Raises:
            MobileSAMError: an unknown model, or weights that cannot be fetched, read or loaded.
        """
        variant = get_variant(model)
        self.checkpoint = resolve_checkpoint(checkpoint, variant)
        self.model = load_sam(variant, self.checkpoint)

    def predict(
        self,
        image: str | Path | Image.Image | np.ndarray,
        points: object = None,
        labels: object = None,
        bboxes: object = None,
        multimask_output: bool | None = None,
    ) -> list[Segmentation]:
        """Segment the prompted objects of a photo.

        Args:
            image: a path, a PIL image, or a uint8 RGB array (H, W, 3).
            points: ``[x, y]``, a list of points (one object each), or a list of lists of points (several
                points of one object), in pixels of the photo.
            labels: nested like ``points``: 1 object, 0 background. Default: all 1.
            bboxes: ``[x1, y1, x2, y2]`` or a list of boxes (one object each).
            multimask_output: three masks an object or one; None: three where the prompt is a single point.

        Returns:
            One ``Segmentation`` per object, in the order of the prompts.

        Raises:
            ImageError: the photo cannot be read.
            PromptError: the prompts do not make sense, or do not fit the photo.
            AnswerError: the model answers with a NaN or an infinity.
        """
        photo = read_image(image)
        prompts = normalize_prompts(points, labels, bboxes, image_size=photo.shape[:2])
        return self.segment(photo, prompts, multimask_output)

    def segment(
        self,
        image: np.ndarray,
        prompts: list[Prompt],
        multimask_output: bool | None = None,
        on_step: OnStep = lambda step: None,
    ) -> list[Segmentation]:
        """Answer prompts in normal form about a uint8 (H, W, 3) photo; see ``segment_objects``."""
        return segment_objects(self.model, image, prompts, multimask_output, on_step)
