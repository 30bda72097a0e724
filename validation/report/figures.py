"""The pictures of a case on the page, and the numbers beside them."""

from dataclasses import dataclass

import numpy as np

from validation.comparison.results import CasePictures, CaseResult
from validation.report.charts import PromptMarks, prompt_marks
from validation.report.pictures import (
    ARTIFACT_COLOR,
    REFERENCE_COLOR,
    Picture,
    PictureStore,
    Ring,
    rings_around,
)

SMALL_PHOTO = 200  # pixels of width below which enlarged pixels keep their edges


@dataclass(frozen=True)
class Figures:
    """Pictures of a case in the page's store, and the numbers that go with them.

    Attributes:
        label: names the case, for readers who do not see the pictures.
        photo: the ground on which the masks are drawn.
        marks: the prompt, drawn over every picture.
        reference_mask: the reference mask, in a translucent color.
        artifact_mask: the artifact mask, in another translucent color.
        reference_pixels: number of pixels of the photo in the reference mask.
        artifact_pixels: number of pixels of the photo in the artifact mask.
        rings: rings around spots of masks that are easily overlooked.
        disagreement: pixels that only one of the masks has.
        only_reference: share of the photo that only the reference mask has.
        only_artifact: share of the photo that only the artifact mask has.
        heat_map: the differences of the mask logits, as colors.
        heat_top: the logit difference at the end of the color scale.
        heat_most: the 95th percentile of the logit differences.
        not_finite: number of pixels of the heat map that are not finite.
    """

    label: str
    photo: Picture
    marks: PromptMarks
    reference_mask: Picture
    artifact_mask: Picture
    reference_pixels: int
    artifact_pixels: int
    rings: list[Ring]
    disagreement: Picture
    only_reference: float
    only_artifact: float
    heat_map: Picture
    heat_top: float
    heat_most: float
    not_finite: int

    @property
    def ratio(self) -> str:
        """Width of the pictures by their height."""
        return f"{self.photo.width / self.photo.height:.4f}"

    @property
    def grain(self) -> str:
        """CSS class of the photo and of what is drawn pixel by pixel on it."""
        return "coarse" if self.photo.width < SMALL_PHOTO else ""


def case_figures(
    case: CaseResult,
    pictures: CasePictures,
    store: PictureStore,
    which: str = "masks that users see",
) -> Figures:
    """Encode pictures of a case for the page.

    Args:
        case: the case.
        pictures: its pictures of two masks.
        store: takes the encoded pictures.
        which: names the masks, for readers who do not see the pictures.
    """
    reference, artifact = pictures.reference_mask, pictures.artifact_mask
    difference = pictures.logit_difference
    finite = difference[np.isfinite(difference)]
    top = float(finite.max(initial=0))
    return Figures(
        label=f"{case.name}, {case.photo}, {which}",
        marks=prompt_marks(case.case, case.photo_size),
        photo=store.add_photo(pictures.photo),
        reference_mask=store.add_mask(reference, REFERENCE_COLOR),
        artifact_mask=store.add_mask(artifact, ARTIFACT_COLOR),
        reference_pixels=pictures.reference_pixels,
        artifact_pixels=pictures.artifact_pixels,
        rings=rings_around(reference, artifact),
        disagreement=store.add_disagreement(reference, artifact),
        only_reference=float(np.mean(reference & ~artifact)),
        only_artifact=float(np.mean(artifact & ~reference)),
        heat_map=store.add_heat_map(difference, top),
        heat_top=top,
        heat_most=float(np.percentile(finite, 95)) if finite.size else 0.0,
        not_finite=difference.size - finite.size,
    )
