import numpy as np
import pytest
import torch
from coremltools.converters.mil.mil import Builder as mb

from tests.support.mil_programs import check_operator
from validation.mil_runtime.errors import OperationError
from validation.mil_runtime.operators.normalization import l2_norm, layer_norm

SHAPE = (2, 4, 3, 2, 3)
# What the builder makes of the operators' defaults.
EPSILON, L2_EPSILON, ALPHA = (float(np.float32(value)) for value in (1e-5, 1e-6, 1e-4))


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def along_channels(values, rank):
    return torch.tensor(values).double().reshape(-1, *[1] * (rank - 2))


def normalized(x, axes, epsilon):
    deviation = x - x.mean(axes, keepdim=True)
    return deviation / (deviation.square().mean(axes, keepdim=True) + epsilon).sqrt()


@pytest.mark.parametrize("rank", [3, 4, 5])
@pytest.mark.parametrize("scaled", [False, True])
def test_batch_norm_uses_the_statistics_given(rank, scaled):
    mean, gamma, beta = random(4, seed=1), random(4, seed=2), random(4, seed=3)
    variance = random(4, seed=4) ** 2
    optional = {"gamma": gamma, "beta": beta, "epsilon": np.float32(0.125)} if scaled else {}

    def expected(x):
        epsilon = 0.125 if scaled else EPSILON
        spread = (along_channels(variance, rank) + epsilon).sqrt()
        result = (x - along_channels(mean, rank)) / spread
        if not scaled:
            return result
        return result * along_channels(gamma, rank) + along_channels(beta, rank)

    check_operator(
        lambda x: mb.batch_norm(x=x, mean=mean, variance=variance, **optional),
        {"x": random(*SHAPE[:rank])},
        expected,
    )


@pytest.mark.parametrize("optional", ["gamma", "beta"])
def test_batch_norm_with_one_of_scale_and_offset(optional):
    mean, variance, values = random(4, seed=1), random(4, seed=2) ** 2, random(4, seed=3)

    def expected(x):
        result = (x - along_channels(mean, 3)) / (along_channels(variance, 3) + EPSILON).sqrt()
        given = along_channels(values, 3)
        return result * given if optional == "gamma" else result + given

    check_operator(
        lambda x: mb.batch_norm(x=x, mean=mean, variance=variance, **{optional: values}),
        {"x": random(2, 4, 3)},
        expected,
    )


@pytest.mark.parametrize("rank", [3, 4])
@pytest.mark.parametrize("given", [(), ("gamma",), ("beta",), ("gamma", "beta", "epsilon")])
def test_instance_norm_normalizes_each_channel(rank, given):
    values = {"gamma": random(4, seed=1), "beta": random(4, seed=2), "epsilon": np.float32(0.125)}

    def expected(x):
        epsilon = 0.125 if "epsilon" in given else EPSILON
        result = normalized(x, tuple(range(2, rank)), epsilon)
        if "gamma" in given:
            result = result * along_channels(values["gamma"], rank)
        return result + along_channels(values["beta"], rank) if "beta" in given else result

    check_operator(
        lambda x: mb.instance_norm(x=x, **{name: values[name] for name in given}),
        {"x": random(*SHAPE[:rank])},
        expected,
    )


def test_instance_norm_of_single_elements_is_their_offset():
    beta = random(3, seed=1)
    check_operator(
        lambda x: mb.instance_norm(x=x, beta=beta),
        {"x": random(2, 3, 1, 1)},
        lambda x: 0 * x + along_channels(beta, 4),
    )


@pytest.mark.parametrize("rank", [3, 4, 5])
@pytest.mark.parametrize("epsilon", [None, 0.5])
def test_l2_norm_divides_by_the_length_of_the_last_three_dimensions(rank, epsilon):
    optional = {} if epsilon is None else {"epsilon": np.float32(epsilon)}

    def expected(x):
        flat = x.reshape(-1, x.shape[-3:].numel())
        lengths = (torch.einsum("ij,ij->i", flat, flat) + (epsilon or L2_EPSILON)).sqrt()
        return (flat / lengths[:, None]).reshape(x.shape)

    check_operator(lambda x: mb.l2_norm(x=x, **optional), {"x": random(*SHAPE[-rank:])}, expected)


def test_l2_norm_refuses_vectors():
    with pytest.raises(OperationError, match="x has rank 2: expected 3 or more"):
        l2_norm(torch.ones(2, 3))


@pytest.mark.parametrize(
    "axes", [[3], [-1], [2, 3], [1], [1, 2], [0, 3], [3, 2], [-1, -3], [0, 1, 2, 3]]
)
@pytest.mark.parametrize("scaled", [False, True])
def test_layer_norm_over_axes(axes, scaled):
    shape = (2, 4, 3, 5)
    ascending = sorted(axis % 4 for axis in axes)
    over = [shape[axis] for axis in ascending]
    broadcast = [size if axis in ascending else 1 for axis, size in enumerate(shape)]
    gamma, beta = random(*over, seed=1), random(*over, seed=2)
    optional = {"gamma": gamma, "beta": beta, "epsilon": np.float32(0.5)} if scaled else {}

    def expected(x):
        result = normalized(x, tuple(ascending), 0.5 if scaled else EPSILON)
        if not scaled:
            return result
        scale, offset = (torch.tensor(item).double().reshape(broadcast) for item in (gamma, beta))
        return result * scale + offset

    check_operator(
        lambda x: mb.layer_norm(x=x, axes=axes, **optional), {"x": random(*shape)}, expected
    )


def test_layer_norm_is_over_all_axes_by_default():
    x = torch.tensor(random(2, 3)).double()
    torch.testing.assert_close(layer_norm(x), normalized(x, (0, 1), 1e-5))


def test_layer_norm_with_a_scale_alone():
    gamma = random(5, seed=1)
    check_operator(
        lambda x: mb.layer_norm(x=x, axes=[-1], gamma=gamma),
        {"x": random(3, 5)},
        lambda x: normalized(x, (-1,), EPSILON) * torch.tensor(gamma).double(),
        "iOS17",
    )


@pytest.mark.parametrize("axes", [[], [2], [-3]])
def test_layer_norm_refuses_axes_that_are_not_there(axes):
    with pytest.raises(OperationError, match="expected one or more from -2 to 1"):
        layer_norm(torch.ones(2, 3), axes)


@pytest.mark.parametrize("shape", [(2, 5, 3), (2, 5, 3, 2)])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_local_response_norm_divides_by_neighboring_channels(shape, size):
    alpha, beta, k = np.float32(0.5), np.float32(0.75), np.float32(2)

    def expected(x):
        sums = torch.zeros_like(x)
        for channel in range(5):  # an even number of neighbors has one more before
            first, last = channel - size // 2, channel + (size - 1) // 2
            sums[:, channel] = x[:, max(0, first) : last + 1].square().sum(1)
        return x / (2 + 0.5 / size * sums) ** 0.75

    check_operator(
        lambda x: mb.local_response_norm(x=x, size=size, alpha=alpha, beta=beta, k=k),
        {"x": random(*shape)},
        expected,
    )


def test_local_response_norm_has_defaults():
    check_operator(
        lambda x: mb.local_response_norm(x=x, size=1),
        {"x": random(2, 3, 4)},
        lambda x: x / (1 + ALPHA * x.square()) ** 0.75,
    )
