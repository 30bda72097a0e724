import numpy as np
import pytest
import torch
from coremltools.converters.mil.mil import Builder as mb

from tests.support.mil_programs import build_model, check_operator, constant, run_model
from validation.mil_runtime.errors import OperationError

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
OPSETS = ["iOS15", "iOS17"]


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_functions_of_any_number_are_torchs(kind):
    x = np.random.default_rng(0).normal(0, 2, (3, 5, 7)).astype(np.float32)
    check_operator(lambda x: getattr(mb, kind)(x=x), {"x": x}, FUNCTIONS[kind])


@pytest.mark.parametrize("kind", ["acos", "asin", "atanh"])
def test_functions_of_numbers_below_one_are_torchs(kind):
    x = np.random.default_rng(0).uniform(-0.99, 0.99, (3, 5, 7)).astype(np.float32)
    check_operator(lambda x: getattr(mb, kind)(x=x), {"x": x}, getattr(torch, kind))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("sqrt", lambda x: x**0.5),
        ("log", lambda x: x.log()),
        ("rsqrt", lambda x: (x + np.float32(1e-12).item()) ** -0.5),
    ],
)
def test_functions_of_positive_numbers_are_torchs(kind, expected):
    x = np.random.default_rng(0).uniform(0.1, 9, (3, 5, 7)).astype(np.float32)
    check_operator(lambda x: getattr(mb, kind)(x=x), {"x": x}, expected)


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("log", lambda x: (x + 0.25).log()),
        ("rsqrt", lambda x: (x + 0.25) ** -0.5),
        ("inverse", lambda x: 1 / (x + 0.25)),
    ],
)
def test_epsilon_is_added_first(kind, expected, opset):
    x = np.random.default_rng(0).uniform(0, 2, (3, 5)).astype(np.float32)

    check_operator(
        lambda x: getattr(mb, kind)(x=x, epsilon=constant(0.25, x)), {"x": x}, expected, opset
    )


def test_inverse_of_zero_is_finite_by_default():
    x = np.zeros(1, np.float32)
    (inverse,) = run_model(build_model(lambda x: mb.inverse(x=x), {"x": x}), {"x": x})
    np.testing.assert_allclose(inverse, 1e4, rtol=1e-6)


def test_halves_round_to_even():
    x = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5], np.float32)
    (rounded,) = run_model(build_model(lambda x: mb.round(x=x), {"x": x}), {"x": x})
    np.testing.assert_array_equal(rounded, [-2, -2, 0, 0, 2, 2])


@pytest.mark.parametrize("opset", OPSETS)
def test_clip_keeps_to_its_bounds(opset):
    x = np.array([[-np.inf, -2, -0.5], [0.25, 3, np.inf]], np.float32)
    check_operator(
        lambda x: mb.clip(x=x, alpha=constant(-0.5, x), beta=constant(2, x)),
        {"x": x},
        lambda x: torch.minimum(torch.maximum(x, torch.tensor(-0.5)), torch.tensor(2.0)).double(),
        opset,
    )


def test_threshold_is_a_lower_bound():
    x = np.array([-3, -0.5, 0, 0.75, 2], np.float32)
    check_operator(
        lambda x: mb.threshold(x=x, alpha=constant(0.5, x)),
        {"x": x},
        lambda x: torch.where(x < 0.5, 0.5, x),
    )


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda x: mb.abs(x=x), [3, 1, 0, 2, 5]),
        (lambda x: mb.sign(x=x), [-1, -1, 0, 1, 1]),
        (lambda x: mb.square(x=x), [9, 1, 0, 4, 25]),
        (lambda x: mb.exp2(x=x), [0, 0, 1, 4, 32]),
        (lambda x: mb.threshold(x=x, alpha=np.int32(1)), [1, 1, 1, 2, 5]),
    ],
    ids=["abs", "sign", "square", "exp2", "threshold"],
)
def test_integers_stay_integers(build, expected):
    x = np.array([-3, -1, 0, 2, 5], np.int32)
    (actual,) = run_model(build_model(build, {"x": x}), {"x": x})
    assert actual.dtype == np.int32
    np.testing.assert_array_equal(actual, expected)


def test_logical_not_takes_truth_values():
    x = np.array([0, 1, 2], np.int32)

    def build(x):
        return mb.cast(x=mb.logical_not(x=mb.cast(x=x, dtype="bool")), dtype="int32")

    check_operator(build, {"x": x}, lambda x: (x == 0).int())


def cast_through(dtype, values):
    x = np.array(values)
    x = x.astype(np.int32 if x.dtype.kind == "i" else np.float32)

    def build(x):
        return mb.cast(x=mb.cast(x=x, dtype=dtype), dtype="int32")

    (actual,) = run_model(build_model(build, {"x": x}), {"x": x})
    return actual.tolist()


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "uint16", "int32"])
def test_cast_to_integers_goes_toward_zero(dtype):
    assert cast_through(dtype, [0.99, 1.5, 100.0]) == [0, 1, 100]


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        ("int8", [-128, 127, 127, 0]),
        ("uint8", [0, 255, 255, 0]),
        ("int16", [-32768, 32767, 32767, 0]),
        ("uint16", [0, 65535, 65535, 0]),
        ("int32", [-(2**31), 2**31 - 1, 2**31 - 1, 0]),
    ],
)
def test_cast_of_numbers_out_of_range_gives_the_nearest(dtype, expected):
    assert cast_through(dtype, [-1e10, 1e10, np.inf, np.nan]) == expected


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("int8", [-1, 44, -128]), ("uint8", [255, 44, 128]), ("uint16", [65535, 300, 128])],
)
def test_cast_of_integers_drops_high_bits(dtype, expected):
    assert cast_through(dtype, [-1, 300, 128]) == expected


def test_cast_to_bool_keeps_whether_a_number_is_0():
    assert cast_through("bool", [0.0, -0.0, 0.25, -3.0, np.nan]) == [0, 0, 1, 1, 1]


def test_cast_to_float16_rounds():
    x = np.array([1 / 3, 65519, -1e-9], np.float32)

    def build(x):
        return mb.cast(x=mb.cast(x=x, dtype="fp16"), dtype="fp32")

    (actual,) = run_model(build_model(build, {"x": x}), {"x": x})
    np.testing.assert_array_equal(actual, x.astype(np.float16).astype(np.float32))


def test_cast_refuses_a_type_that_is_not_declared():
    x = np.zeros(1, np.float32)
    model = build_model(lambda x: mb.cast(x=x, dtype="int32"), {"x": x})
    block = next(iter(model._spec.mlProgram.functions["main"].block_specializations.values()))
    block.operations[0].attributes["val"].immediateValue.tensor.strings.values[0] = "fp16"
    with pytest.raises(OperationError, match="fp16.*int32"):
        run_model(model, {"x": x})
