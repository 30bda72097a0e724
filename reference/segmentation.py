"""One answer per object: the masks that a user is shown, best first."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from reference.common.errors import AnswerError
from reference.predictor import Predictor, PromptableModel
from reference.prompts import Prompt

OnStep = Callable[[str], None]


@dataclass(frozen=True)
class Segmentation:
    """The answer for one object, best mask first."""

    masks: np.ndarray  # bool (M, H, W), at the photo's own size
    scores: np.ndarray  # float32 (M,), predicted IoU
    low_res_logits: np.ndarray  # float32 (M, S/4, S/4)


def segment_objects(
    model: PromptableModel,
    image: np.ndarray,
    prompts: list[Prompt],
    multimask_output: bool | None = None,
    on_step: OnStep = lambda step: None,
) -> list[Segmentation]:
    """Embed a uint8 (H, W, 3) photo and answer one prompt per object.

    ``multimask_output`` None asks for three guesses only where the prompt is ambiguous (one point, no box), as
    the Segment Anything authors advise. ``on_step`` is told of the photo and of each object as it is begun.

    Raises:
        AnswerError: the model answers with a NaN or an infinity.
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
    """Raise AnswerError if the photo's embeddings have a NaN or an infinity."""
    require_finite_answer("the photo", predictor.get_image_embedding().cpu().numpy())


def require_finite_answer(what: str, *arrays: np.ndarray) -> None:
    """Raise AnswerError if one of the numbers that answer ``what`` is a NaN or an infinity."""
    if count := sum(int(np.count_nonzero(~np.isfinite(array))) for array in arrays):
        raise AnswerError(
            f"the model's answer to {what} has {count} numbers that are NaN or infinite: expected "
            "finite ones; its weights, or their conversion, are broken, and it draws no mask"
        )


def _segment_object(
    predictor: Predictor, prompt: Prompt, multimask_output: bool | None
) -> Segmentation:
    has_points = len(prompt.point_coords) > 0
    if multimask_output is None:
        multimask_output = len(prompt.point_coords) == 1 and prompt.box is None
    masks, scores, low_res_logits = predictor.predict(
        point_coords=prompt.point_coords if has_points else None,
        point_labels=prompt.point_labels if has_points else None,
        box=prompt.box,
        multimask_output=multimask_output,
    )
    best_first = np.argsort(-scores, kind="stable")
    return Segmentation(masks[best_first], scores[best_first], low_res_logits[best_first])
