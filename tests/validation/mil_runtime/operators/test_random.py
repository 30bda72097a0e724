import numpy as np
import pytest
from coremltools.converters.mil.mil import Builder as mb

from tests.support.mil_programs import build_model, run_model
from validation import mil_runtime

COUNT = 40_000
X = np.zeros(1, np.float32)
DRAWS = {
    "bernoulli": lambda **seed: mb.random_bernoulli(shape=[50], prob=0.5, **seed),
    "categorical": lambda **seed: mb.random_categorical(
        x=np.zeros((5, 9), np.float32), size=10, **seed
    ),
    "normal": lambda **seed: mb.random_normal(shape=[50], **seed),
    "uniform": lambda **seed: mb.random_uniform(shape=[50], **seed),
}


def model_of(*draws):
    return build_model(lambda x: [mb.identity(x=x), *(draw() for draw in draws)], {"x": X})


def draw(*draws, numerics="declared"):
    return run_model(model_of(*draws), {"x": X}, numerics)[1:]


def test_uniform_numbers_fill_their_interval():
    (numbers,) = draw(lambda: mb.random_uniform(shape=[4, COUNT // 4], low=-2.0, high=6.0, seed=3))
    assert numbers.shape == (4, COUNT // 4)
    assert numbers.min() >= -2 and numbers.max() < 6
    counts, _ = np.histogram(numbers, 8, (-2, 6))
    np.testing.assert_allclose(counts / COUNT, 1 / 8, atol=0.01)


def test_uniform_numbers_of_float16_stay_below_one():
    def uniform():
        numbers = mb.random_uniform(
            shape=[COUNT], low=np.float16(0), high=np.float16(1), seed=np.int32(1)
        )
        return mb.cast(x=numbers, dtype="fp32")

    (numbers,) = draw(uniform)
    assert numbers.max() < 1
    np.testing.assert_allclose(numbers.mean(), 0.5, atol=0.01)


def test_normal_numbers_have_their_mean_and_deviation():
    (numbers,) = draw(lambda: mb.random_normal(shape=[COUNT], mean=5.0, stddev=2.0, seed=7))
    standard = (numbers - 5) / 2
    moments = [(standard**power).mean() for power in (1, 2, 3, 4)]
    np.testing.assert_allclose(moments, [0, 1, 0, 3], atol=0.15)


@pytest.mark.parametrize("prob", [0.0, 0.2, 1.0])
def test_bernoulli_draws_ones_as_often_as_asked(prob):
    (numbers,) = draw(lambda: mb.random_bernoulli(shape=[COUNT], prob=prob, seed=1))
    assert set(np.unique(numbers)) <= {0, 1}
    np.testing.assert_allclose(numbers.mean(), prob, atol=0.01 if 0 < prob < 1 else 0)


@pytest.mark.parametrize("mode", ["logits", "probs"])
def test_categorical_draws_classes_by_their_probability(mode):
    probabilities = np.array([[0.1, 0.2, 0.7], [0.5, 0.5, 0.0]], np.float32)
    with np.errstate(divide="ignore"):
        x = np.log(probabilities) + 3 if mode == "logits" else probabilities
    (classes,) = draw(lambda: mb.random_categorical(x=x, mode=mode, size=COUNT, seed=1))
    assert classes.shape == (2, COUNT)
    for row, expected in zip(classes, probabilities, strict=True):
        counts = np.bincount(row.astype(int), minlength=3)
        np.testing.assert_allclose(counts / COUNT, expected, atol=0.01)


@pytest.mark.parametrize("kind", DRAWS)
def test_a_seed_gives_the_same_numbers_in_any_model_and_numerics(kind):
    (alone,) = draw(lambda: DRAWS[kind](seed=5))
    first, second, other = draw(
        *(lambda seed=seed: DRAWS[kind](seed=seed) for seed in (5, 5, 6)), numerics="float64"
    )
    np.testing.assert_allclose(alone, first, rtol=1e-6)
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("kind", DRAWS)
def test_operations_without_a_seed_differ_and_predictions_repeat(kind):
    model = model_of(DRAWS[kind], DRAWS[kind])
    _, first, second = run_model(model, {"x": X})
    _, again, _ = run_model(model, {"x": X})
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, again)


def test_the_programs_seed_changes_numbers_that_have_none():
    model = model_of(DRAWS["uniform"])
    draws = [list(mil_runtime.load(model, seed=seed).predict({"x": X}).values()) for seed in (1, 2)]
    assert not np.array_equal(draws[0][1], draws[1][1])


def test_shape_may_be_known_only_when_it_runs():
    shape = np.array([2, 3], np.int32)
    model = build_model(lambda s: mb.random_normal(shape=s, mean=1.0, stddev=0.0), {"s": shape})
    (numbers,) = run_model(model, {"s": shape})
    np.testing.assert_array_equal(numbers, np.ones((2, 3)))


def test_negative_size_is_refused():
    shape = np.array([2, 3], np.int32)
    model = build_model(lambda s: mb.random_uniform(shape=s), {"s": shape})
    with pytest.raises(mil_runtime.errors.OperationError, match="random_uniform"):
        run_model(model, {"s": np.array([2, -3], np.int32)})
