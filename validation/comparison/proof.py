"""Whether agreement with the reference proves anything.

A reference that draws no mask, or the same one whatever it is asked, agrees with every artefact that is broken in
the same way. Such cases are no evidence: they do not count as agreement, and if there are no others, nothing is
proven.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from validation.comparison.agreement import MULTIMASK
from validation.metrics import is_blank
from validation.questions.cases import Answer, is_ambiguous

if TYPE_CHECKING:
    from validation.comparison.results import CaseResult

NOT_FINITE = "the reference itself answers with NaN or infinity"
NO_MASK = "each mask of the reference is empty, or the whole photo"
NO_CHOICE = "the reference's scores are equal: which mask is the best means nothing"

_SHOWN = {  # to users, if a prompt is unambiguous and if it is not
    "the single mask: the reference's": slice(1),
    "the three guesses: each of the reference's": MULTIMASK,
}


@dataclass(frozen=True)
class Evidence:
    """What the reference's answer to one case can prove.

    Attributes:
        is_finite: whether it has no NaN and no infinity in it; what has, is no answer to agree with.
        no_mask: why agreement of the masks proves nothing; None if it proves something.
        no_choice: why the choice among three masks proves nothing; None if it does, or if there is none.
        blank: which of the four masks are empty, or the whole photo.
        masks: identifies the reference's mask logits, to tell whether every case has the same.
        scores: likewise of its predicted IoUs.
        image_embeddings: likewise of what it makes of the photo.
    """

    is_finite: bool
    no_mask: str | None
    no_choice: str | None
    blank: tuple[bool, ...]
    masks: bytes
    scores: bytes
    image_embeddings: bytes


def evidence_of(
    expected: Answer, image_embeddings: Tensor, masks: Sequence[np.ndarray], ambiguous: bool
) -> Evidence:
    """What an answer of the reference can prove.

    Args:
        expected: the answer.
        image_embeddings: the reference's, of the photo.
        masks: the answer's four, boolean (H, W).
        ambiguous: whether a user is shown the best of the three guesses.
    """
    guesses = expected.iou_predictions[0, MULTIMASK]
    is_finite = expected.is_finite and bool(image_embeddings.isfinite().all())
    blank = tuple(map(is_blank, masks))
    no_mask = NO_MASK if all(blank) else None
    return Evidence(
        is_finite=is_finite,
        no_mask=no_mask if is_finite else NOT_FINITE,
        no_choice=NO_CHOICE if ambiguous and bool((guesses == guesses[0]).all()) else None,
        blank=blank,
        masks=_digest(expected.low_res_masks),
        scores=_digest(expected.iou_predictions),
        image_embeddings=_digest(image_embeddings),
    )


def unproven(cases: Sequence["CaseResult"]) -> list[str]:
    """What none of the cases that ran proves, in words; empty if there is evidence of everything, or none ran."""
    ran = [case for case in cases if case.evidence]
    if not ran:
        return []
    if all(case.evidence.no_mask for case in ran):
        reasons = dict.fromkeys(case.evidence.no_mask for case in ran)
        return [f"nothing was proven in any case: {'; '.join(reasons)}"]
    if _all_the_same(case.evidence.masks for case in ran):
        return ["nothing was proven: the reference draws the same masks in every case"]
    missing = [
        f"{what} in every case is empty, or the whole photo"
        for what, masks in _SHOWN.items()
        if all(all(case.evidence.blank[masks]) for case in ran)
    ]
    if _all_the_same({case.photo: case.evidence.image_embeddings for case in ran}.values()):
        missing.append("the image encoder: the reference's embeddings of every photo are the same")
    if _all_the_same(case.evidence.scores for case in ran):
        missing.append("the scores: the reference's are the same in every case")
    choices = [case.evidence.no_choice for case in ran if is_ambiguous(case.case)]
    if choices and all(choices):
        missing.append("the choice of a mask: the reference's scores are equal in every case")
    return [f"nothing was proven of {text}" for text in missing]


def _all_the_same(values: Iterable[bytes]) -> bool:
    values = list(values)  # one alone does not say what the next would be
    return len(values) > 1 and len(set(values)) == 1


def _digest(tensor: Tensor) -> bytes:
    numbers = tensor.numpy() + np.float32(0)  # of -0 and 0 the same
    return hashlib.blake2b(numbers.tobytes(), digest_size=16).digest()
