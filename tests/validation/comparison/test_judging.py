"""The gates that a case fails are named in words."""

import numpy as np
import pytest

from validation.comparison.agreement import Agreement
from validation.comparison.judging import case_failures, hidden_failure, judged_by_pixels
from validation.gates import read_gates
from validation.metrics import tensor_difference

GATES = read_gates()["coreml"]["lut4"]


LARGE = 0.1  # of the frame


def agreement_of(ious, best=0, shown=0, differing_shares=(LARGE,) * 4):
    logits = np.ones((4, 4))
    return Agreement(
        mask_ious=ious,
        differing_shares=differing_shares,
        boundary_ious=ious,
        area_changes=(0.0,) * 4,
        best_iou=ious[best],
        shown_iou=min(ious[best], ious[shown]),
        best_index=best,
        shown_index=shown,
        score_difference=0.0,
        logits=tensor_difference(logits, logits),
        blank=(False,) * 4,
        truth_ious=None,
    )


@pytest.mark.parametrize(
    ("ious", "best", "shown", "expected", "hidden"),
    [
        (
            (0.83, 0.9, 0.9, 0.1481),
            0,
            0,
            ["mask IoU 0.1481, gate 0.5 (mask 3, which no user sees)"],
            3,
        ),
        (
            (0.7, 0.9, 0.9, 0.9),
            0,
            0,
            ["mask IoU 0.7000, gate 0.75 (mask 0, which users see)"],
            None,
        ),
        (
            (0.9, 0.7, 0.9, 0.9),
            2,
            1,
            ["mask IoU 0.7000, gate 0.75 (mask 1, which users see)"],
            None,
        ),
        (
            (0.7, 0.1, 0.9, 0.9),
            0,
            0,
            ["mask IoU 0.7000, gate 0.75 (mask 0, which users see)"],
            None,
        ),
        ((0.75, 0.5, 0.9, 0.9), 0, 0, [], None),
    ],
    ids=["not seen", "seen", "seen by users of the artifact", "seen first", "on the gates"],
)
def test_the_failing_mask_is_named(ious, best, shown, expected, hidden):
    agreement = agreement_of(ious, best, shown)
    assert case_failures(GATES, agreement) == expected
    assert hidden_failure(GATES, agreement) == hidden


def test_a_mask_that_differs_by_a_handful_of_pixels_holds():
    handful = GATES.max_handful * 0.9
    agreement = agreement_of((0.2, 0.2, 0.9, 0.9), differing_shares=(handful, LARGE, 0, 0))
    assert judged_by_pixels(GATES, agreement) == [0]
    assert case_failures(GATES, agreement) == [
        "mask IoU 0.2000, gate 0.5 (mask 1, which no user sees)"
    ]
