"""The code that ``segment`` and ``validate show`` share: checking the request, and writing the answer.

``segment`` asks the reference and ``validate show`` asks a converted artifact. Both call ``prepare`` before they load
a model, and then pass the ``Request`` to ``answer``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from reference.common.command_line import print_json, print_lines, warn
from reference.common.errors import OutputError
from reference.common.progress import step_bar
from reference.options import Box, Point, prompts_from_options
from reference.photos.images import check_writable, read_image, write_image
from reference.photos.masks import mask_box, mask_record
from reference.photos.overlay import draw_overlay
from reference.prompts import Prompt

if TYPE_CHECKING:  # this module imports torch, which takes seconds
    from reference.photo_segmenter import PhotoSegmenter
    from reference.segmentation import Segmentation


@dataclass(frozen=True, eq=False)
class Request:
    """A photo and prompts that were checked, and where the answer goes.

    Attributes:
        path: path of the photo, as the user wrote it.
        image: pixels of the photo, uint8 (H, W, 3).
        prompts: one prompt per object.
        output: file to write the overlay to, or None.
        as_json: whether to print JSON instead of a summary.
    """

    path: Path
    image: np.ndarray
    prompts: list[Prompt]
    output: Path | None
    as_json: bool


def prepare(
    path: Path,
    points: Sequence[Point],
    background_points: Sequence[Point],
    boxes: Sequence[Box],
    output: Path | None,
    as_json: bool,
) -> Request:
    """Read the photo and check the request, so that mistakes are reported before a model is loaded.

    Raises:
        ImageError: the photo cannot be read.
        PromptError: the prompts are invalid, or lie outside the photo.
        OutputError: no output is requested, or it cannot be written.
    """
    if output is None and not as_json:
        raise OutputError(
            "no output: pass --output overlay.png for a picture, --json for the masks, or both"
        )
    if output is not None:
        check_writable(output)
        if output.exists() and path.exists() and output.samefile(path):
            raise OutputError(f"{output}: is the photo itself; name another file for the output")
    image = read_image(path)
    prompts = prompts_from_options(points, background_points, boxes, image.shape[:2])
    return Request(path, image, prompts, output, as_json)


def answer(request: Request, segmenter: "PhotoSegmenter", source: dict) -> None:
    """Segment, write the overlay, and print the JSON document or a summary.

    If all masks of an object have the same score, the first is shown, and a warning says that none is the best.

    Args:
        request: the request, from ``prepare``.
        segmenter: the model to ask.
        source: entries of the JSON document that say which model drew the masks.

    Raises:
        MobileSAMError: the segmenter refuses or answers with NaN, or the output cannot be written.
    """
    with step_bar(total=1 + len(request.prompts) + (request.output is not None)) as on_step:
        segmentations = segmenter.segment(request.image, request.prompts, on_step=on_step)
        if request.output is not None:
            on_step("picture")
            best_masks = [segmentation.masks[0] for segmentation in segmentations]
            write_image(draw_overlay(request.image, best_masks, request.prompts), request.output)
    if request.as_json:
        print_json(build_document(request, segmentations, source))
    else:
        print_lines([*summarize(segmentations), f"overlay: {request.output}"])
    for number, segmentation in enumerate(segmentations, start=1):
        scores = segmentation.scores
        if len(scores) > 1 and (scores == scores[0]).all():
            warn(
                f"object {number}: its {len(scores)} masks have equal scores, so the first one is not "
                "better than the others"
            )


def build_document(request: Request, segmentations: list["Segmentation"], source: dict) -> dict:
    """Return the JSON document of an answer.

    Masks are grouped by object, with the best mask of each object first. ``object`` is the index of the mask's
    prompt in ``prompts``.
    """
    return {
        "image": {"path": str(request.path), "size": list(request.image.shape[:2])},
        "prompts": [_prompt_record(prompt) for prompt in request.prompts],
        **source,
        "masks": [
            {"object": index, **mask_record(mask, score)}
            for index, segmentation in enumerate(segmentations)
            for mask, score in zip(segmentation.masks, segmentation.scores, strict=True)
        ],
    }


def _prompt_record(prompt: Prompt) -> dict:
    return {
        "points": prompt.point_coords.tolist(),
        "labels": prompt.point_labels.tolist(),
        "box": None if prompt.box is None else prompt.box.tolist(),
    }


def summarize(segmentations: list["Segmentation"]) -> list[str]:
    """Describe the best mask of each object in one line: predicted IoU, share of the photo and box."""
    return [
        f"object {number}: score {segmentation.scores[0]:.3f}, {_extent(segmentation.masks[0])}"
        for number, segmentation in enumerate(segmentations, start=1)
    ]


def _extent(mask: np.ndarray) -> str:
    """Describe where a boolean (H, W) mask is."""
    if not mask.any():
        return "an empty mask"
    x, y, width, height = mask_box(mask)
    return f"{mask.mean():.2%} of the photo, box {x},{y},{x + width},{y + height}"


def warn_untrained(checkpoint_name: str) -> None:
    """Warn that the weights are untrained, so that nobody blames the photo or the prompt for the masks."""
    warn(
        f"the weights '{checkpoint_name}' are untrained, so the masks mean nothing; pass "
        "--checkpoint official or your own file for real masks"
    )
