import numpy as np
import pytest
import torch
from coremltools.converters.mil.mil import Builder as mb

from tests.support.mil_programs import build_model, check_operator, run_model
from validation.mil_runtime.errors import OperationError
from validation.mil_runtime.operators.linear import einsum


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def integers(*shape, seed=0):
    return np.random.default_rng(seed).integers(-9, 9, shape).astype(np.int32)


@pytest.mark.parametrize("leading", [(), (3,), (2, 3)])
@pytest.mark.parametrize("has_bias", [False, True])
def test_linear_multiplies_by_rows_of_weights(leading, has_bias):
    weight, bias = random(4, 5, seed=1), random(4, seed=2) if has_bias else None
    check_operator(
        lambda x: mb.linear(x=x, weight=weight, bias=bias),
        {"x": random(*leading, 5)},
        lambda x: (
            (x.unsqueeze(-2) * torch.tensor(weight).double()).sum(-1)
            + (0 if bias is None else torch.tensor(bias).double())
        ),
    )


def test_linear_of_integers():
    weight, bias = integers(3, 4, seed=1), integers(3, seed=2)
    check_operator(
        lambda x: mb.linear(x=x, weight=weight, bias=bias),
        {"x": integers(2, 4)},
        lambda x: torch.from_numpy(x.numpy() @ weight.T + bias),
    )


def test_linear_with_integer_weights():
    weight, bias = integers(3, 4, seed=1), integers(3, seed=2)
    check_operator(
        lambda x: mb.linear(x=x, weight=weight, bias=bias),
        {"x": random(2, 4)},
        lambda x: x @ torch.tensor(weight.T).double() + torch.tensor(bias),
        "iOS17",
    )


@pytest.mark.parametrize(
    ("x_shape", "y_shape", "transpose_x", "transpose_y"),
    [
        ((3, 4), (4, 2), False, False),
        ((4, 3), (4, 2), True, False),
        ((3, 4), (2, 4), False, True),
        ((4, 3), (2, 4), True, True),
        ((10, 3, 4), (5, 1, 4, 2), False, False),
        ((2, 1, 4, 3), (5, 2, 4), True, True),
        ((4,), (4, 2), False, False),
        ((4,), (2, 4), False, True),
    ],
)
def test_matmul_broadcasts_batches(x_shape, y_shape, transpose_x, transpose_y):
    def expected(x, y):
        x = x.swapaxes(-1, -2) if transpose_x else x
        y = y.swapaxes(-1, -2) if transpose_y else y
        columns = y if x.dim() == 1 else y.unsqueeze(-3)
        return (x.unsqueeze(-1) * columns).sum(-2)

    check_operator(
        lambda x, y: mb.matmul(x=x, y=y, transpose_x=transpose_x, transpose_y=transpose_y),
        {"x": random(*x_shape), "y": random(*y_shape, seed=1)},
        expected,
        "iOS15",
    )


def test_matmul_of_integers():
    check_operator(
        lambda x, y: mb.matmul(x=x, y=y),
        {"x": integers(2, 3, 4), "y": integers(4, 5, seed=1)},
        lambda x, y: torch.from_numpy(x.numpy() @ y.numpy()),
    )


def test_matmul_is_of_the_type_of_what_is_no_constant():
    fractions, whole = random(4, 3, seed=1), integers(4, 3, seed=2)
    check_operator(
        lambda x: mb.matmul(x=x, y=whole),
        {"x": random(2, 4)},
        lambda x: x @ torch.tensor(whole).double(),
        "iOS17",
    )
    check_operator(
        lambda x: mb.matmul(x=x, y=whole.astype(np.float32)),
        {"x": integers(2, 4)},
        lambda x: torch.from_numpy(x.numpy() @ whole),
        "iOS17",
    )
    inputs = {"x": integers(2, 4)}
    model = build_model(lambda x: mb.matmul(x=x, y=fractions), inputs, "iOS17")
    with pytest.raises(
        OperationError, match=r"declares int32\[2, 3\], but multiplies floating-point numbers"
    ):
        run_model(model, inputs)


@pytest.mark.parametrize(
    ("equation", "x_shape", "y_shape"),
    [
        ("nchw,nwhu->nchu", (2, 3, 4, 5), (2, 5, 4, 6)),
        ("abcd,adce->abce", (2, 3, 4, 5), (1, 5, 4, 6)),
        ("nchw,nwhu->nchu", (1, 3, 1, 5), (2, 5, 4, 6)),
        ("chw,whr->chr", (3, 4, 5), (5, 4, 6)),
        ("xyz,zyk->xyk", (3, 4, 5), (5, 1, 6)),
    ],
)
def test_einsum_multiplies_matrices_whose_rows_are_in_the_middle(equation, x_shape, y_shape):
    check_operator(
        lambda x, y: mb.einsum(values=(x, y), equation=equation),
        {"x": random(*x_shape), "y": random(*y_shape, seed=1)},
        lambda x, y: (x.swapaxes(-3, -2) @ y.swapaxes(-3, -2)).swapaxes(-3, -2),
    )


@pytest.mark.parametrize("equation", ["ab,bc->ac", "nchw,nwhu->nchx", "chw,whr", "nchw,nchw->nchw"])
def test_einsum_refuses_other_equations(equation):
    with pytest.raises(OperationError, match=f"equation '{equation}': expected nchw,nwhu->nchu or"):
        einsum([torch.ones(2, 2, 2, 2)] * 2, equation)


def test_einsum_refuses_to_broadcast_what_it_sums_over():
    with pytest.raises(OperationError, match="expected the last dimension of the first to be"):
        einsum([torch.ones(3, 4, 1), torch.ones(5, 4, 6)], "chw,whr->chr")
