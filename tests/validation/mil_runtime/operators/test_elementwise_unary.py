import numpy as np
import pytest
import torch
from coremltools.converters.mil.mil import Builder as mb
from mil_programs import build_model, check_operator, run_model

FUNCTIONS = {
    "abs": torch.abs,
    "atan": torch.atan,
    "ceil": torch.ceil,
    "cos": torch.cos,
    "cosh": torch.cosh,
    "erf": torch.erf,
    "exp": torch.exp,
    "exp2": torch.exp2,
    "floor": torch.floor,
    "round": torch.round,
    "sign": torch.sign,
    "sin": torch.sin,
    "sinh": torch.sinh,
    "square": torch.square,
    "tan": torch.tan,
    "tanh": torch.tanh,
    "identity": torch.clone,
}


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_function_of_any_number(kind):
    x = np.random.default_rng(0).normal(0, 2, (3, 5, 7)).astype(np.float32)
    check_operator(lambda x: getattr(mb, kind)(x=x), {"x": x}, FUNCTIONS[kind])


@pytest.mark.parametrize("kind", ["acos", "asin", "atanh"])
def test_function_of_numbers_below_one(kind):
    x = np.random.default_rng(0).uniform(-0.99, 0.99, (3, 5, 7)).astype(np.float32)
    check_operator(lambda x: getattr(mb, kind)(x=x), {"x": x}, getattr(torch, kind))


def test_halves_round_to_even():
    x = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5], np.float32)
    (rounded,) = run_model(build_model(lambda x: mb.round(x=x), {"x": x}), {"x": x})
    np.testing.assert_array_equal(rounded, [-2, -2, 0, 0, 2, 2])
