"""``PhotoSegmenter``: the one call from a photo and prompts to masks, for the reference and for artifacts."""

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
from PIL import Image

from reference.common.progress import OnStep
from reference.photos.images import read_image
from reference.predictor import PromptableModel
from reference.prompts import Prompt, normalize_prompts
from reference.segmentation import Segmentation, segment_objects


class PhotoSegmenter(ABC):
    """Answers prompts about photos: the reference, or a converted artifact."""

    @property
    @abstractmethod
    def promptable(self) -> PromptableModel:
        """The model that answers, as ``Predictor`` takes it."""

    def predict(
        self,
        image: str | Path | Image.Image | np.ndarray,
        points: object = None,
        labels: object = None,
        bboxes: object = None,
        multimask_output: bool | None = None,
    ) -> list[Segmentation]:
        """Segment the objects of a photo that points or boxes describe.

        Coordinates are pixels of the photo, x before y, with (0, 0) at its top-left corner.

        Args:
            image: a path, a PIL image, or a uint8 RGB array (H, W, 3).
            points: ``[x, y]`` for one object, ``[[x, y], …]`` for one object per point, or ``[[[x, y], …], …]`` for
                several points of each object.
            labels: 1 for a point on the object and 0 for the background, nested like ``points``. The default is 1
                for every point.
            bboxes: ``[x1, y1, x2, y2]``, or a list of such boxes for one object each. The corners are the top-left
                and the bottom-right one.
            multimask_output: True for three masks per object and False for one. None asks for three masks where the
                prompt is a single point, because a single point is ambiguous.

        Returns:
            One ``Segmentation`` per object, in the order of the prompts.

        Raises:
            ImageError: the photo cannot be read.
            PromptError: the prompts are invalid, or lie outside the photo.
            AnswerError: the model's answer contains NaN or infinity.
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
        """Answer prompts in normal form about a uint8 (H, W, 3) photo.

        Args:
            image: RGB pixels, as ``reference.photos.images.read_image`` returns them.
            prompts: one prompt per object, as ``reference.prompts.normalize_prompts`` returns them.
            multimask_output: True for three masks per object and False for one. None asks for three masks where the
                prompt is a single point.
            on_step: called with a name when the photo is begun, and when each object is.

        Returns:
            One ``Segmentation`` per object, in the order of the prompts.

        Raises:
            AnswerError: the model's answer contains NaN or infinity.
        """
        return segment_objects(self.promptable, image, prompts, multimask_output, on_step)
