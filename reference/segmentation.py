"""``Segmentation``, the answer for one object, and the function that asks a model for it."""

from dataclasses import dataclass

import numpy as np

from reference.common.errors import AnswerError
from reference.common.progress import OnStep
from reference.mask_choice import is_ambiguous
from reference.predictor import Predictor, PromptableModel
from reference.prompts import Prompt


@dataclass(frozen=True)
class Segmentation:
    """The masks of one object, best mask first.

    M is 3 for an ambiguous prompt and 1 otherwise. S is the side of the model's square input, 1024 pixels for
    MobileSAM.

    Attributes:
        masks: bool (M, H, W), at the size of the photo.
        scores: float32 (M,), the IoU that the model predicts for each mask. The highest comes first.
        low_res_logits: float32 (M, S/4, S/4), mask logits before resizing. A pixel belongs to the mask if its logit
            is positive. ``Predictor.predict`` takes one of them as ``mask_input``, to refine it.
    """

    masks: np.ndarray
    scores: np.ndarray
    low_res_logits: np.ndarray


def segment_objects(
    model: PromptableModel,
    image: np.ndarray,
    prompts: list[Prompt],
    multimask_output: bool | None = None,
    on_step: OnStep = lambda step: None,
) -> list[Segmentation]:
    """Embed a photo once and answer one prompt per object.

    Args:
        model: the reference or an artifact.
        image: RGB pixels, uint8 (H, W, 3).
        prompts: one prompt per object.
        multimask_output: True for three masks per object and False for one. None asks for three masks only where the
            prompt is ambiguous (one point, no box), as the authors of Segment Anything advise.
        on_step: called with a name when the photo is begun, and when each object is.

    Raises:
        AnswerError: the model's answer contains NaN or infinity.
    """
    predictor = Predictor(model)
    on_step("photo")
    predictor.set_image(image)
    require_finite_embedding(predictor)
    segmentations = []
    for number, prompt in enumerate(prompts, start=1):
        on_step(f"object {number}")
        segmentation = _segment_object(predictor, prompt, multimask_output)
        require_finite_answer(f"object {number}", segmentation.scores, segmentation.low_res_logits)
        segmentations.append(segmentation)
    return segmentations


def require_finite_embedding(predictor: Predictor) -> None:
    """Raise AnswerError if the embeddings of the photo contain NaN or infinity."""
    require_finite_answer("the photo", predictor.get_image_embedding().cpu().numpy())


def require_finite_answer(what: str, *arrays: np.ndarray) -> None:
    """Raise AnswerError if the arrays that answer ``what`` contain NaN or infinity."""
    if count := sum(int(np.count_nonzero(~np.isfinite(array))) for array in arrays):
        raise AnswerError(
            f"the model's answer to {what} has {count} numbers that are NaN or infinite: expected "
            "finite ones; the weights or their conversion are broken, so no mask is drawn"
        )


def _segment_object(
    predictor: Predictor, prompt: Prompt, multimask_output: bool | None
) -> Segmentation:
    has_points = len(prompt.point_coords) > 0
    if multimask_output is None:
        multimask_output = is_ambiguous(len(prompt.point_coords), prompt.box is not None)
    masks, scores, low_res_logits = predictor.predict(
        point_coords=prompt.point_coords if has_points else None,
        point_labels=prompt.point_labels if has_points else None,
        box=prompt.box,
        multimask_output=multimask_output,
    )
    best_first = np.argsort(-scores, kind="stable")
    return Segmentation(masks[best_first], scores[best_first], low_res_logits[best_first])
