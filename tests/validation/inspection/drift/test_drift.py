import math

import numpy as np

from validation.inspection.drift import Drift, worst
from validation.metrics import tensor_difference


def drift(name, value):
    difference = tensor_difference(np.array([value, 1.0]), np.ones(2))
    return Drift("mask_decoder", name, "linear", "", difference, difference)


def test_largest_own_errors_come_first_and_what_is_not_finite_before_them():
    drifts = [drift("a", 1.1), drift("b", math.nan), drift("c", 9.0), drift("d", 1.0)]
    assert [item.name for item in worst(drifts)] == ["b", "c", "a", "d"]
    assert [item.name for item in worst(drifts, 2)] == ["b", "c"]
