"""Compare an artefact with the reference: the same photos and prompts, mask by mask.

Two kinds of cases. Goldens are answered by the artefact the whole way from the photo, and held to
the reference's answers that are stored beside it. Other photos, the built-in ones and the user's,
are answered by the artefact and by the reference with the artefact's own weights.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from converters.samples import SampleCase
from reference.command_line import progress
from reference.sam import Sam
from validation.agreement import measure
from validation.artifact import Artifact, load_artifact
from validation.artifact_model import ArtifactModel
from validation.cases import (
    Answer,
    Photo,
    answer_cases,
    built_in_photos,
    central_cases,
    is_ambiguous,
    read_photos,
)
from validation.engines import Unavailable, engine_for
from validation.gates import Gates, gates_for
from validation.goldens import GoldenPhoto, load_goldens
from validation.live_reference import load_reference
from validation.results import (
    FAILED,
    NOT_RUN,
    PASSED,
    CaseResult,
    Comparison,
    conclude,
)

GOLDEN, PHOTO = "golden", "photo"  # kinds of cases


@dataclass(frozen=True, eq=False)
class Question:
    """Prompts about one photo.

    Attributes:
        kind: GOLDEN or PHOTO.
        photo: its name.
        cases: in an order in which every ``mask_from`` comes first.
        read: gives uint8 (H, W, 3) pixels.
        ask_reference: pixels → the reference's answers, or why there are none.
    """

    kind: str
    photo: str
    cases: tuple[SampleCase, ...]
    read: Callable[[], np.ndarray]
    ask_reference: Callable[[np.ndarray], Sequence[Answer]] | Unavailable


def compare(
    folder: str | Path,
    checkpoint: str | Path | None = None,
    images: Sequence[str | Path] = (),
    engine_name: str | None = None,
) -> Comparison:
    """Compare an artefact folder with the reference; see ``compare_artifact``.

    Args:
        folder: what ``convert`` wrote.
        checkpoint: the weights it was converted from; needed for photos if these were a file.
        images: more photos, each asked about with a central point and a central box.
        engine_name: what to run it with, one of ``engines.ENGINES``; None: the most authoritative
            one that is here.

    Raises:
        ArtifactError: the folder is incomplete, altered or does not belong to the checkpoint, or
            the engine does not run its format or cannot run it.
        ImageError: an image cannot be read.
        CheckpointError: the checkpoint cannot be fetched, read or loaded.
    """
    photos = read_photos(map(Path, images))
    return compare_artifact(load_artifact(folder), checkpoint, photos, engine_name)


def compare_artifact(
    artifact: Artifact,
    checkpoint: str | Path | None = None,
    photos: Sequence[Photo] = (),
    engine_name: str | None = None,
) -> Comparison:
    """Compare a loaded artefact on its goldens, the built-in photos and ``photos``.

    What cannot be run here is in the result as NOT_RUN, with the reason. But if the user's own
    ``photos`` cannot be compared for want of the checkpoint, that is an error.
    """
    gates = gates_for(artifact)
    engine = engine_for(artifact, engine_name)
    if isinstance(engine, Unavailable):
        questions = _questions(artifact, photos, reference=engine)
        results = [result for question in questions for result in _skip(question, engine.reason)]
        return conclude(artifact, None, gates, results)
    reference = load_reference(artifact, checkpoint, required=bool(photos))
    questions = _questions(artifact, photos, reference)
    model = ArtifactModel(engine, artifact)
    total = sum(len(question.cases) for question in questions)
    results = []
    with progress(description=artifact.name, total=total, unit="case") as bar:
        for question in questions:
            for result in _compare_photo(model, question, gates):
                results.append(result)
                bar.update()
    return conclude(artifact, engine.name, gates, results)


def _questions(
    artifact: Artifact, photos: Sequence[Photo], reference: Sam | Unavailable
) -> list[Question]:
    """All that is asked of an artefact: goldens, built-in photos, the user's."""
    goldens = [_golden_question(golden) for golden in load_goldens(artifact)]
    others = [
        _photo_question(photo, artifact.prompt_slots, reference)
        for photo in (*built_in_photos(), *photos)
    ]
    return goldens + others


def _golden_question(golden: GoldenPhoto) -> Question:
    return Question(GOLDEN, golden.name, golden.cases, golden.read, lambda _: golden.answers)


def _photo_question(photo: Photo, prompt_slots: int, reference: Sam | Unavailable) -> Question:
    """A central point, and a central box if the artefact has slots for one."""
    cases = tuple(case for case in central_cases(photo) if case.slots <= prompt_slots)
    ask_reference = (
        reference
        if isinstance(reference, Unavailable)
        else lambda pixels: answer_cases(reference, pixels, cases)
    )
    return Question(PHOTO, photo.name, cases, lambda: photo.pixels, ask_reference)


def _skip(question: Question, reason: str) -> Iterator[CaseResult]:
    for case in question.cases:
        yield CaseResult(case.name, question.photo, question.kind, NOT_RUN, None, reason)


def _compare_photo(model: ArtifactModel, question: Question, gates: Gates) -> Iterator[CaseResult]:
    """Ask both about one photo, and judge each case."""
    if isinstance(question.ask_reference, Unavailable):
        yield from _skip(question, question.ask_reference.reason)
        return
    pixels = question.read()
    expected = question.ask_reference(pixels)
    answers = answer_cases(model, pixels, question.cases)
    for case, answer, wanted in zip(question.cases, answers, expected, strict=True):
        agreement = measure(answer, wanted, is_ambiguous(case), pixels.shape[:2], model.frame_size)
        failures = gates.failures(agreement)
        status = FAILED if failures else PASSED
        reason = "; ".join(failures) or None
        yield CaseResult(case.name, question.photo, question.kind, status, agreement, reason)
