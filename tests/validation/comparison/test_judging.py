"""The gates that a case fails are named in words."""

import numpy as np
import pytest

from validation.comparison.agreement import Agreement
from validation.comparison.judging import case_failures, hidden_failure
from validation.gates import read_gates
from validation.metrics import tensor_difference

GATES = read_gates()["coreml"]["lut4"]


@pytest.mark.parametrize(
    ("ious", "best", "shown", "expected", "hidden"),
    [
        (
            (0.83, 0.9, 0.9, 0.1481),
            0,
            0,
            ["mask IoU 0.1481, gate 0.65 (mask 3, which no user sees)"],
            3,
        ),
        (
            (0.6, 0.9, 0.9, 0.9),
            0,
            0,
            ["mask IoU 0.6000, gate 0.65 (mask 0, which users see)"],
            None,
        ),
        (
            (0.9, 0.6, 0.9, 0.9),
            2,
            1,
            ["mask IoU 0.6000, gate 0.65 (mask 1, which users see)"],
            None,
        ),
        ((0.65, 0.9, 0.9, 0.9), 0, 0, [], None),
    ],
    ids=["not seen", "seen", "seen by users of the artifact", "on the gate"],
)
def test_the_failing_mask_is_named(ious, best, shown, expected, hidden):
    logits = np.ones((4, 4))
    agreement = Agreement(
        mask_ious=ious,
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
    assert case_failures(GATES, agreement) == expected
    assert hidden_failure(GATES, agreement) == hidden
