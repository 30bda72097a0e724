"""When a warm-up is over, and how long a turn is."""

import pytest

from validation.latency.running.plan import QUICK, THOROUGH, Plan, is_steady


@pytest.mark.parametrize(
    ("seconds", "steady"),
    [
        ([1.0] * 9, False),  # two windows of five are needed
        ([1.0] * 10, True),
        ([1.0] * 5 + [1.039] * 5, True),
        ([1.0] * 5 + [1.05] * 5, False),
        ([1.0] * 5 + [0.95] * 5, False),
        ([9.0, 5.0, 3.0] + [1.0] * 10, True),  # what was slow at first is forgotten
        ([5.0 * 0.9**run for run in range(30)], False),  # still getting faster, a little each run
        ([1.0, 3.0, 1.0, 3.0, 1.0, 3.0, 1.0, 3.0, 1.0, 3.0], False),  # averages 1.8 and 2.2
    ],
)
def test_warm_up_is_over_when_two_averages_agree(seconds, steady):
    assert is_steady(seconds) is steady


def test_plans_are_those_that_are_documented():
    assert (QUICK.runs, QUICK.seconds) == (50, 2.0)
    assert (THOROUGH.runs, THOROUGH.seconds) == (1024, 60.0)


@pytest.mark.parametrize(
    ("seconds", "calls"),
    [
        (1.0, 5),
        (0.01, 20),  # else a turn were shorter than the steps that processor time is counted in
        (1e-6, 500),
    ],
)
def test_turns_are_neither_too_short_nor_too_long(seconds, calls):
    assert QUICK.calls(seconds) == calls
    assert Plan("shortest", 1, 0.0).calls(seconds) == 5
