import numpy as np
import pytest
import torch
from coremltools.converters.mil.mil import Builder as mb

from tests.support.mil_programs import (
    assert_within_a_step,
    build_model,
    check_operator,
    constant,
    run_model,
)
from validation.mil_runtime.errors import OperationError

X = np.random.default_rng(0).normal(0, 3, (2, 3, 4, 5)).astype(np.float32)
PLAIN = {
    "relu": lambda x: torch.where(x > 0, x, 0),
    "relu6": lambda x: torch.where(x > 6, 6, torch.where(x > 0, x, 0)),
    "sigmoid": lambda x: 1 / (1 + (-x).exp()),
    "silu": lambda x: x / (1 + (-x).exp()),
    "softplus": lambda x: torch.logaddexp(x, torch.zeros_like(x)),
    "softsign": lambda x: x / (1 + x.abs()),
}
# 1/4 and such are the same number in every type.
WITH_PARAMETERS = {
    "clamped_relu": (
        {"alpha": 0.25, "beta": 1.5},
        lambda x: torch.minimum(torch.where(x >= 0, x, x / 4), torch.tensor(1.5).double()),
    ),
    "elu": ({"alpha": 0.75}, lambda x: torch.where(x > 0, x, 0.75 * (x.exp() - 1))),
    "leaky_relu": ({"alpha": 0.125}, lambda x: torch.where(x >= 0, x, x / 8)),
    "linear_activation": ({"alpha": 1.5, "beta": -0.25}, lambda x: 1.5 * x - 0.25),
    "scaled_tanh": ({"alpha": 1.5, "beta": 0.75}, lambda x: 1.5 * torch.tanh(0.75 * x)),
    "sigmoid_hard": (
        {"alpha": 0.25, "beta": 0.5},
        lambda x: torch.where(x < -2, 0, torch.where(x > 2, 1, x / 4 + 0.5)),
    ),
    "thresholded_relu": ({"alpha": 1.25}, lambda x: torch.where(x >= 1.25, x, 0)),
}
GELU = {
    "EXACT": lambda x: x * torch.special.log_ndtr(x).exp(),
    "TANH_APPROXIMATION": lambda x: (
        0.5 * x * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (x + 0.044715 * x**3)))
    ),
    "SIGMOID_APPROXIMATION": lambda x: x / (1 + (-1.702 * x).exp()),
}


@pytest.mark.parametrize("kind", PLAIN)
def test_activations_are_torchs(kind):
    check_operator(lambda x: getattr(mb, kind)(x=x), {"x": X}, PLAIN[kind])


@pytest.mark.parametrize("kind", WITH_PARAMETERS)
@pytest.mark.parametrize("opset", ["iOS15", "iOS17"])
def test_activations_take_parameters(kind, opset):
    parameters, expected = WITH_PARAMETERS[kind]

    def build(x):
        return getattr(mb, kind)(x=x, **{k: constant(v, x) for k, v in parameters.items()})

    check_operator(build, {"x": X}, expected, opset)


@pytest.mark.parametrize("mode", GELU)
def test_gelu_has_three_modes(mode):
    check_operator(lambda x: mb.gelu(x=x, mode=mode), {"x": X}, GELU[mode])


def test_gelu_is_exact_by_default():
    check_operator(lambda x: mb.gelu(x=x), {"x": X}, GELU["EXACT"])


def test_exact_gelu_keeps_its_digits_far_below_zero():
    x = np.array([-4, -6, -8], np.float32)
    model = build_model(lambda x: mb.gelu(x=x), {"x": x}, precision="float16")
    (actual,) = run_model(model, {"x": x})
    assert_within_a_step(actual, GELU["EXACT"](torch.from_numpy(x).double()).numpy())


def test_gelu_refuses_an_unknown_mode():
    model = build_model(lambda x: mb.gelu(x=x, mode="EXACT"), {"x": X})
    block = next(iter(model._spec.mlProgram.functions["main"].block_specializations.values()))
    block.operations[0].attributes["val"].immediateValue.tensor.strings.values[0] = "NEARLY"
    with pytest.raises(OperationError, match="NEARLY.*EXACT"):
        run_model(model, {"x": X})


@pytest.mark.parametrize("axis", [None, 0, 1, -2, 3])
def test_softmax_is_along_an_axis(axis):
    def expected(x):
        along = -1 if axis is None else axis
        return x.exp() / x.exp().sum(along, keepdim=True)

    chosen = {} if axis is None else {"axis": axis}
    check_operator(lambda x: mb.softmax(x=x, **chosen), {"x": X}, expected)


def test_softmax_takes_large_and_masked_numbers():
    x = np.array([[1000, 1000, -np.inf], [-1000, -1000, -1000]], np.float32)
    expected = torch.tensor([[1 / 2, 1 / 2, 0], [1 / 3, 1 / 3, 1 / 3]], dtype=torch.float64)
    check_operator(lambda x: mb.softmax(x=x), {"x": x}, lambda x: expected)


def test_softplus_neither_overflows_nor_vanishes():
    x = np.array([-30, 19, 21, 60, 1000], np.float32)
    (actual,) = run_model(build_model(lambda x: mb.softplus(x=x), {"x": x}), {"x": x}, "float64")
    np.testing.assert_allclose(actual, np.logaddexp(x.astype(float), 0), rtol=1e-14)


@pytest.mark.parametrize("opset", ["iOS15", "iOS17"])
def test_prelu_has_a_slope_for_each_channel(opset):
    slopes = [0.25, -0.5, 2.0]
    expected = torch.tensor(slopes, dtype=torch.float64)[:, None, None]
    check_operator(
        lambda x: mb.prelu(x=x, alpha=constant(slopes, x)),
        {"x": X},
        lambda x: torch.maximum(x, 0 * x) + expected * torch.minimum(x, 0 * x),
        opset,
    )


@pytest.mark.parametrize("shape", [(2, 3, 7), (1, 3, 2, 2, 2)])
def test_prelu_takes_other_ranks(shape):
    x = np.random.default_rng(1).normal(0, 1, shape).astype(np.float32)
    check_operator(
        lambda x: mb.prelu(x=x, alpha=constant([0.5] * 3, x)),
        {"x": x},
        lambda x: torch.where(x > 0, x, x / 2),
    )


@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 3, 4, 5)])
def test_softplus_has_parameters_for_each_channel(shape):
    x = np.random.default_rng(1).normal(0, 2, shape).astype(np.float32)
    alphas, betas = [0.5, -1.5, 2.0], [1.0, 0.5, -2.0]

    def expected(x):
        sizes = (3,) + (1,) * (x.dim() - 2)
        alpha = torch.tensor(alphas, dtype=torch.float64).reshape(sizes)
        beta = torch.tensor(betas, dtype=torch.float64).reshape(sizes)
        return alpha * torch.log(1 + torch.exp(beta * x))

    check_operator(
        lambda x: mb.softplus_parametric(x=x, alpha=constant(alphas, x), beta=constant(betas, x)),
        {"x": x},
        expected,
    )
