"""Whether agreement with the reference proves anything.

A reference that draws no mask, or the same one whatever it is asked, agrees with every artifact that is broken in
the same way. Such cases are no evidence: they do not count as agreement, and if there are no others, nothing is
proven.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from validation.comparison.agreement import MULTIMASK
from validation.metrics import is_blank
from validation.questions.cases import Answer

NOT_FINITE = "the reference itself answers with NaN or infinity"
NO_MASK = "each mask of the reference is empty, or the whole photo"
NO_CHOICE = "the reference's scores are equal: which mask is the best means nothing"


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


def _digest(tensor: Tensor) -> bytes:
    numbers = tensor.numpy() + np.float32(0)  # of -0 and 0 the same
    return hashlib.blake2b(numbers.tobytes(), digest_size=16).digest()
