import numpy as np
import pytest
import torch
from coremltools.converters.mil.mil import Builder as mb

from tests.support.mil_programs import build_model, check_operator, run_model

ARITHMETIC = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "real_div": lambda x, y: x / y,
    "floor_div": lambda x, y: torch.floor(x / y),
    "mod": lambda x, y: x - y * torch.floor(x / y),
    "maximum": lambda x, y: torch.where(x > y, x, y),
    "minimum": lambda x, y: torch.where(x > y, y, x),
}
COMPARISONS = {
    "equal": np.equal,
    "not_equal": np.not_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "greater": np.greater,
    "greater_equal": np.greater_equal,
}
LOGIC = {
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
}
SHAPES = [((2, 3), (2, 3)), ((4, 1, 3), (5, 1)), ((1,), (2, 2, 2, 2, 2))]


def quarters(shape, seed):
    """Return multiples of 1/4 without 0, so that quotients and remainders are exact enough in any type."""
    values = np.random.default_rng(seed).integers(1, 40, shape) / 4
    return (values * np.random.default_rng(seed + 9).choice([-1, 1], shape)).astype(np.float32)


@pytest.mark.parametrize("kind", ARITHMETIC)
@pytest.mark.parametrize("shapes", SHAPES, ids=str)
def test_arithmetic_broadcasts(kind, shapes):
    inputs = {"x": quarters(shapes[0], 0), "y": quarters(shapes[1], 1)}
    check_operator(lambda x, y: getattr(mb, kind)(x=x, y=y), inputs, ARITHMETIC[kind])


def test_power_takes_positive_numbers():
    x = np.random.default_rng(0).uniform(0.1, 3, (3, 4)).astype(np.float32)
    y = np.random.default_rng(1).uniform(-2, 2, (4,)).astype(np.float32)
    check_operator(
        lambda x, y: mb.pow(x=x, y=y), {"x": x, "y": y}, lambda x, y: torch.exp(y * torch.log(x))
    )


def test_power_of_a_negative_number_needs_a_whole_exponent():
    x = np.array([-2, -2, -8], np.float32)
    y = np.array([2, 3, 1 / 3], np.float32)
    (power,) = run_model(
        build_model(lambda x, y: mb.pow(x=x, y=y), {"x": x, "y": y}), {"x": x, "y": y}
    )
    np.testing.assert_array_equal(power, [4, -8, np.nan])


@pytest.mark.parametrize("name", COMPARISONS)
@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_comparisons_broadcast(name, dtype):
    x = np.array([[-1, 0, 2], [5, 5, 7]], dtype)
    y = np.array([0, 0, 5], dtype)
    check_operator(
        lambda x, y: mb.cast(x=getattr(mb, name)(x=x, y=y), dtype="int32"),
        {"x": x, "y": y},
        lambda x, y: torch.from_numpy(COMPARISONS[name](x.numpy(), y.numpy()).astype(np.int32)),
    )


@pytest.mark.parametrize("name", LOGIC)
def test_logic_is_that_of_truth_values(name):
    x, y = np.array([[0], [1]], np.int32), np.array([0, 1], np.int32)

    def build(x, y):
        x, y = mb.cast(x=x, dtype="bool"), mb.cast(x=y, dtype="bool")
        return mb.cast(x=getattr(mb, name)(x=x, y=y), dtype="int32")

    check_operator(
        build,
        {"x": x, "y": y},
        lambda x, y: torch.from_numpy(LOGIC[name](x.numpy(), y.numpy()).astype(np.int32)),
    )


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("add", [-5, 9, -9]),
        ("sub", [-9, 5, -5]),
        ("mul", [-14, 14, 14]),
        ("floor_div", [-4, 3, 3]),
        ("mod", [1, 1, -1]),
        ("real_div", [-3, 3, 3]),
        ("pow", [49, 49, 0]),
        ("maximum", [2, 7, -2]),
        ("minimum", [-7, 2, -7]),
    ],
)
def test_integers_stay_integers(kind, expected):
    x = np.array([-7, 7, -7], np.int32)
    y = np.array([2, 2, -2], np.int32)
    if kind == "pow":
        x, y = np.array([-7, 7, 0], np.int32), np.array([2, 2, 2], np.int32)
    inputs = {"x": x, "y": y}
    (actual,) = run_model(build_model(lambda x, y: getattr(mb, kind)(x=x, y=y), inputs), inputs)
    assert actual.dtype == np.int32
    np.testing.assert_array_equal(actual, expected)


def test_infinities_and_nan_follow_ieee():
    x = np.array([1, -1, 0, np.inf], np.float32)
    inputs = {"x": x, "y": np.zeros(4, np.float32)}

    def build(x, y):
        return mb.real_div(x=x, y=y), mb.maximum(x=x, y=mb.real_div(x=y, y=y))

    quotient, maximum = run_model(build_model(build, inputs), inputs)
    np.testing.assert_array_equal(quotient, [np.inf, -np.inf, np.nan, np.inf])
    np.testing.assert_array_equal(maximum, [np.nan] * 4)
