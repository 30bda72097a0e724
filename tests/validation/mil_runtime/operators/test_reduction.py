import numpy as np
import pytest
import torch
from coremltools.converters.mil.mil import Builder as mb

from tests.support.mil_programs import build_model, check_operator, run_model

X = np.random.default_rng(0).uniform(0.5, 2, (2, 3, 4)).astype(np.float32)
X[:, 1] *= -1


def over(function):
    """Return a reduction of NumPy as a function of torch tensors."""

    def reduce(x, axes, keep_dims):
        return torch.from_numpy(np.asarray(function(x.numpy(), axes, keep_dims)))

    return reduce


REDUCTIONS = {
    "reduce_l1_norm": over(lambda x, a, k: np.abs(x).sum(a, keepdims=k)),
    "reduce_l2_norm": over(lambda x, a, k: (x * x).sum(a, keepdims=k) ** 0.5),
    "reduce_log_sum_exp": over(lambda x, a, k: np.log(np.exp(x).sum(a, keepdims=k))),
    "reduce_max": over(lambda x, a, k: x.max(a, keepdims=k)),
    "reduce_mean": over(lambda x, a, k: x.mean(a, keepdims=k)),
    "reduce_min": over(lambda x, a, k: x.min(a, keepdims=k)),
    "reduce_prod": over(lambda x, a, k: x.prod(a, keepdims=k)),
    "reduce_sum": over(lambda x, a, k: x.sum(a, keepdims=k)),
    "reduce_sum_square": over(lambda x, a, k: (x * x).sum(a, keepdims=k)),
}
AXES = [((-1, 0), False), ((0, 2), True)]


@pytest.mark.parametrize("kind", REDUCTIONS)
@pytest.mark.parametrize(("axes", "keep_dims"), AXES, ids=str)
def test_reductions_are_over_axes(kind, axes, keep_dims):
    check_operator(
        lambda x: getattr(mb, kind)(x=x, axes=list(axes), keep_dims=keep_dims),
        {"x": X},
        lambda x: REDUCTIONS[kind](x, axes, keep_dims),
    )


@pytest.mark.parametrize("keep_dims", [False, True])
def test_log_of_sum_is_torchs(keep_dims):
    check_operator(
        lambda x: mb.reduce_log_sum(x=x, axes=[-2], keep_dims=keep_dims),
        {"x": np.abs(X)},
        lambda x: x.sum(-2, keepdim=keep_dims).log(),
    )


@pytest.mark.parametrize(
    ("kind", "keep_dims"), [*((kind, False) for kind in REDUCTIONS), ("reduce_prod", True)]
)
def test_reduction_is_over_all_axes_by_default(kind, keep_dims):
    def expected(x):
        reduced = REDUCTIONS[kind](x, (0, 1, 2), keep_dims)
        return reduced if keep_dims else reduced.reshape(1)  # as a model gives a scalar

    check_operator(lambda x: getattr(mb, kind)(x=x, keep_dims=keep_dims), {"x": X}, expected)


def test_log_sum_exp_takes_large_and_infinite_numbers():
    x = np.array([[1000, 1000], [-np.inf, -np.inf], [-np.inf, 3]], np.float32)
    (actual,) = run_model(
        build_model(lambda x: mb.reduce_log_sum_exp(x=x, axes=[1]), {"x": x}), {"x": x}
    )
    np.testing.assert_allclose(actual, [1000 + np.log(2), -np.inf, 3])


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("reduce_l1_norm", 10),
        ("reduce_l2_norm", 6),
        ("reduce_log_sum", 1),
        ("reduce_log_sum_exp", 6),
        ("reduce_max", 6),
        ("reduce_mean", 1),
        ("reduce_min", -3),
        ("reduce_prod", -18),
        ("reduce_sum", 4),
        ("reduce_sum_square", 46),
    ],
)
def test_integers_are_cut_to_integers(kind, expected):
    x = np.array([[6, -3, 1]], np.int32)
    (actual,) = run_model(
        build_model(lambda x: getattr(mb, kind)(x=x, axes=[1]), {"x": x}), {"x": x}
    )
    assert actual.dtype == np.int32
    np.testing.assert_array_equal(actual, [expected])


@pytest.mark.parametrize("kind", ["argmax", "argmin"])
@pytest.mark.parametrize("opset", ["iOS15", "iOS17"])
@pytest.mark.parametrize(("axis", "keep_dims"), [(None, False), (0, True), (1, False), (-2, True)])
def test_index_of_an_extreme_is_torchs(kind, opset, axis, keep_dims):
    chosen = {} if axis is None else {"axis": axis}

    def expected(x):
        along = -1 if axis is None else axis
        indices = getattr(np, kind)(x.numpy(), along, keepdims=keep_dims)
        return torch.from_numpy(indices.astype(np.int32))

    check_operator(
        lambda x: getattr(mb, f"reduce_{kind}")(x=x, keep_dims=keep_dims, **chosen),
        {"x": X},
        expected,
        opset,
    )


def test_first_of_equals_is_the_extreme():
    x = np.array([[2, 1, 2, 1]], np.int32)

    def build(x):
        return mb.reduce_argmax(x=x), mb.reduce_argmin(x=x)

    assert [int(index[0]) for index in run_model(build_model(build, {"x": x}), {"x": x})] == [0, 1]


def test_index_has_the_type_asked_for():
    def build(x):
        indices = mb.reduce_argmax(x=x, axis=2, output_dtype="uint16")
        return mb.cast(x=indices, dtype="int32")

    check_operator(
        build, {"x": X}, lambda x: torch.from_numpy(x.numpy().argmax(2).astype(np.int32)), "iOS17"
    )
