"""Prompts a model as a user would, and compares its masks with the true masks."""

from collections.abc import Iterable

import numpy as np

from reference.common.errors import MobileSAMError
from reference.predictor import Predictor, PromptableModel
from reference.segmentation import require_finite_answer, require_finite_embedding
from validation.accuracy.clicks import OBJECT, Click, corrective_click, interior_point, tight_box
from validation.accuracy.results import BOX, CLICKS, POINT, POINT_BEST, Accuracy, InstanceScore
from validation.accuracy.samples import Instance, Sample
from validation.metrics import is_blank, mask_iou

CORRECTIVE_CLICKS = 3


def measure_accuracy(model: PromptableModel, samples: Iterable[Sample]) -> Accuracy:
    """Score a model on objects with true masks. Each photo is encoded once.

    The model is prompted for each object in three ways:

    1. One point, the interior point of the true mask. The model answers with three masks. Two of them
       are scored: the one with the best true IoU, and the one with the highest predicted score.
    2. The tight box. The model answers with its single mask.
    3. The point of (1), then three corrective clicks (``corrective_click``). Each prompt has all clicks
       so far and the logits of the previous mask. The model answers with its single mask.

    Args:
        model: the model to score, on any device.
        samples: photos with objects; photos without objects are skipped.

    Raises:
        MobileSAMError: none of the samples has an object.
        ArtifactError: the model cannot be run.
        AnswerError: the model's output has a NaN or an infinity.
    """
    predictor = Predictor(model)
    scores = []
    for sample in samples:
        if sample.instances:
            predictor.set_image(sample.pixels)
            require_finite_embedding(predictor)
        scores += [_score(predictor, sample.name, instance) for instance in sample.instances]
    if not scores:
        raise MobileSAMError("no object to ask about: expected samples with at least one")
    return Accuracy(tuple(scores))


def _score(predictor: Predictor, sample: str, instance: Instance) -> InstanceScore:
    truth = instance.mask
    click = Click(*interior_point(truth), OBJECT)
    masks, scores, logits = _ask(predictor, [click])
    shown = int(scores.argmax())
    point_ious = [mask_iou(mask, truth) for mask in masks]
    box_masks, _, _ = _ask(predictor, box=tight_box(truth), single=True)
    corrected = _correct(predictor, truth, click, masks[shown], logits[shown])
    ious = {
        POINT_BEST: max(point_ious),
        POINT: point_ious[shown],
        BOX: mask_iou(box_masks[0], truth),
        CLICKS: mask_iou(corrected, truth),
    }
    drawn = {POINT_BEST: masks, POINT: [masks[shown]], BOX: box_masks, CLICKS: [corrected]}
    blank = tuple(protocol for protocol, found in drawn.items() if all(map(is_blank, found)))
    area = int(np.count_nonzero(truth))
    return InstanceScore(sample, instance.name, area, instance.is_part, ious, blank)


def _correct(
    predictor: Predictor, truth: np.ndarray, first: Click, mask: np.ndarray, logits: np.ndarray
) -> np.ndarray:
    """Return the mask after corrective clicks, which end early if nothing is left to correct.

    Args:
        predictor: a predictor whose photo is set.
        truth: bool (H, W), the true mask.
        first: the click that gave ``mask``.
        mask: bool (H, W), the mask so far.
        logits: float32 (S/4, S/4), the logits of ``mask``, where S is the model's frame size.
    """
    clicks = [first]
    for _ in range(CORRECTIVE_CLICKS):
        click = corrective_click(mask, truth)
        if click is None:
            break
        clicks.append(click)
        (mask,), _, (logits,) = _ask(predictor, clicks, mask_input=logits[None], single=True)
    return mask


def _ask(
    predictor: Predictor,
    clicks: list[Click] | None = None,
    box: np.ndarray | None = None,
    mask_input: np.ndarray | None = None,
    single: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return masks, scores and logits of ``Predictor.predict``.

    Raises:
        AnswerError: scores or logits are not finite.
    """
    coords = [(click.x, click.y) for click in clicks] if clicks else None
    labels = [click.label for click in clicks] if clicks else None
    masks, scores, logits = predictor.predict(
        coords, labels, box, mask_input, multimask_output=not single
    )
    require_finite_answer("a prompt", scores, logits)
    return masks, scores, logits
