"""Checks what the goldens of an artifact can prove to an app, which compares its masks with nothing else."""

import numpy as np

from validation.artifacts.artifact import Artifact
from validation.comparison.conclusion import unproven
from validation.comparison.proof import embeddings_evidence, evidence_of
from validation.comparison.results import CaseResult
from validation.documents.verdicts import PASSED
from validation.questions.cases import GOLDEN, is_ambiguous
from validation.questions.goldens import golden_questions
from validation.questions.pipeline import PhotoArithmetic


def unproven_by_goldens(artifact: Artifact) -> list[str]:
    """List in words what agreement with the goldens leaves unproven; empty if there is evidence of everything.

    Raises:
        ArtifactError: the goldens are damaged.
    """
    variant = artifact.variant
    arithmetic = PhotoArithmetic(variant.image_size, np.array(variant.pixel_mean, np.float32))
    cases = []
    for question in golden_questions(artifact):
        size, stored = question.read().shape[:2], question.stored
        embeddings = embeddings_evidence(stored.image_embeddings)
        for case, answer in zip(question.cases, stored.answers, strict=True):
            masks = arithmetic.resize_all(answer.low_res_masks, size)
            evidence = evidence_of(answer, embeddings, masks, is_ambiguous(case))
            cases.append(CaseResult(case, question.photo, GOLDEN, PASSED, evidence=evidence))
    return unproven(cases)
