"""Checks whether agreement with the reference proves anything.

A reference that draws no mask, or the same one for every prompt, agrees with any artifact that is broken in the same
way. Such cases are no evidence. They do not count as agreement, and if there are no others, nothing is proven.
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
NO_CHOICE = "the reference scores are equal, so which mask is the best means nothing"


@dataclass(frozen=True)
class Evidence:
    """The evidence that the reference answer to one case gives.

    Digests tell whether the reference gives the same numbers in every case.

    Attributes:
        is_finite: whether the answer has no NaN and no infinity; otherwise nothing can agree with it.
        no_mask: why agreement of the masks proves nothing; None if it proves something.
        no_choice: why the choice among three masks proves nothing; None if it proves something, or if
            the prompt leaves no choice.
        blank: for each of the four masks, whether it is empty or the whole photo.
        masks: digest of the reference's mask logits.
        scores: digest of the reference's predicted IoUs.
        image_embeddings: digest of the reference's image embeddings.
    """

    is_finite: bool
    no_mask: str | None
    no_choice: str | None
    blank: tuple[bool, ...]
    masks: bytes
    scores: bytes
    image_embeddings: bytes


@dataclass(frozen=True)
class EmbeddingsEvidence:
    """The part of the evidence that all cases about a photo share: of the reference's image embeddings."""

    is_finite: bool
    digest: bytes


def embeddings_evidence(image_embeddings: Tensor) -> EmbeddingsEvidence:
    """Return the evidence of the reference's image embeddings of a photo."""
    return EmbeddingsEvidence(bool(image_embeddings.isfinite().all()), _digest(image_embeddings))


def evidence_of(
    expected: Answer, embeddings: EmbeddingsEvidence, masks: Sequence[np.ndarray], ambiguous: bool
) -> Evidence:
    """Return the evidence that a reference answer gives.

    Args:
        expected: the reference answer.
        embeddings: the evidence of the reference's image embeddings of the photo.
        masks: the four masks of the answer, boolean (H, W) each.
        ambiguous: whether a user is shown the best of the three guesses.
    """
    guesses = expected.iou_predictions[0, MULTIMASK]
    is_finite = expected.is_finite and embeddings.is_finite
    blank = tuple(map(is_blank, masks))
    no_mask = NO_MASK if all(blank) else None
    return Evidence(
        is_finite=is_finite,
        no_mask=no_mask if is_finite else NOT_FINITE,
        no_choice=NO_CHOICE if ambiguous and bool((guesses == guesses[0]).all()) else None,
        blank=blank,
        masks=_digest(expected.low_res_masks),
        scores=_digest(expected.iou_predictions),
        image_embeddings=embeddings.digest,
    )


def _digest(tensor: Tensor) -> bytes:
    numbers = tensor.numpy() + np.float32(0)  # turns -0 into 0, which is the same number
    return hashlib.blake2b(numbers.tobytes(), digest_size=16).digest()
