"""Ask a model about objects as a user would, and hold its masks to the true ones."""

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

    Per object: (1) one point, the interior point of the true mask, answered with three masks, of which
    the best by true IoU and the one of the highest score count; (2) the tight box, answered with the
    single mask; (3) three corrective clicks after the one point, see ``corrective_click``, each with all
    clicks before it and the logits of the mask before it, answered with the single mask.

    Args:
        model: what is asked, on any device.
        samples: photos; those without objects are passed over.

    Raises:
        MobileSAMError: there is no object in any of the samples.
        ArtifactError: the model cannot be run.
        AnswerError: it answers with a NaN or an infinity.
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
    """The mask after corrective clicks: fewer of them if nothing is left to correct.

    Args:
        predictor: with the photo set.
        truth: bool (H, W).
        first: the click that gave the mask.
        mask: bool (H, W), the mask so far.
        logits: float32 (S/4, S/4), its logits.
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
    """Masks, scores and logits of ``Predictor.predict``; AnswerError if they are not finite."""
    coords = [(click.x, click.y) for click in clicks] if clicks else None
    labels = [click.label for click in clicks] if clicks else None
    masks, scores, logits = predictor.predict(
        coords, labels, box, mask_input, multimask_output=not single
    )
    require_finite_answer("a prompt", scores, logits)
    return masks, scores, logits
