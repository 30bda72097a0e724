"""Questions, which are prompts about a photo, and the answers of a model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from converters.samples import SampleCase
from reference import mask_choice

if TYPE_CHECKING:
    from torch import Tensor

GOLDEN, PHOTO = "golden", "photo"  # kinds of questions


@dataclass(frozen=True)
class Answer:
    """A model's answer to one prompt."""

    low_res_masks: "Tensor"  # float32 (1, 4, S/4, S/4), logits
    iou_predictions: "Tensor"  # float32 (1, 4)

    def shown_mask(self, ambiguous: bool) -> int:
        """Return the index of the mask that a user is shown; see ``reference.mask_choice.shown_mask``."""
        return mask_choice.shown_mask(self.iou_predictions[0].numpy(), ambiguous)

    @cached_property
    def finite_masks(self) -> list[bool]:
        """Tell for each of the four masks whether its logits are finite."""
        return self.low_res_masks[0].flatten(1).isfinite().all(1).tolist()

    @property
    def is_finite(self) -> bool:
        """Whether all logits and scores are finite."""
        return all(self.finite_masks) and bool(self.iou_predictions.isfinite().all())


@dataclass(frozen=True)
class StoredAnswers:
    """The reference answers that were stored when an artifact was converted."""

    image_embeddings: "Tensor"  # float32 (1, dim, S/16, S/16)
    answers: tuple[Answer, ...]  # one per case


@dataclass(frozen=True, eq=False)
class Question:
    """Prompts about one photo.

    Attributes:
        kind: GOLDEN (the reference answers are stored in the artifact) or PHOTO.
        photo: name of a built-in photo, or path of a user's photo.
        read: returns the photo's pixels, uint8 (H, W, 3) RGB.
        cases: the prompts; a case that another one refines comes before it.
        truths: the object's true mask, boolean (H, W), by the names of the cases that have one.
        stored: the stored answers of a golden; None for a photo.
    """

    kind: str
    photo: str
    read: Callable[[], np.ndarray]
    cases: tuple[SampleCase, ...]
    truths: Mapping[str, np.ndarray] = field(default_factory=dict)
    stored: StoredAnswers | None = None


def is_ambiguous(case: SampleCase) -> bool:
    """Whether users are given three masks for the case; see ``reference.mask_choice.is_ambiguous``."""
    return mask_choice.is_ambiguous(
        len(case.points), case.box is not None, case.mask_from is not None
    )
