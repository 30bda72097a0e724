import numpy as np
import pytest
import torch
from coremltools.converters.mil.mil import Builder as mb
from coremltools.converters.mil.mil import types

from tests.support.mil_programs import build_model, check_operator, run_model
from validation.mil_runtime.errors import OperationError

PAIR = np.array([1.5, -2], np.float32)


def run(build, **inputs):
    return run_model(build_model(build, inputs), inputs)


@pytest.mark.parametrize("condition", [0, 1])
def test_cond_runs_one_branch_with_values_from_outside(condition):
    def build(x, c):
        doubled = mb.add(x=x, y=x)
        return mb.cond(
            pred=mb.cast(x=mb.squeeze(x=c), dtype="bool"),
            _true_fn=lambda: (mb.square(x=doubled), mb.identity(x=x)),
            _false_fn=lambda: (mb.identity(x=x), mb.abs(x=x)),
        )

    inputs = {"x": PAIR, "c": np.array([condition], np.int32)}
    check_operator(build, inputs, lambda x, c: (4 * x * x, x) if condition else (x, torch.abs(x)))


@pytest.mark.parametrize("count", [0, 1, 5])
def test_while_loop_repeats_as_long_as_its_condition_holds(count):
    def build(x, n):
        result = mb.while_loop(
            _cond=lambda i, y: mb.less(x=i, y=n),
            _body=lambda i, y: (mb.add(x=i, y=1), mb.add(x=y, y=x)),
            loop_vars=(np.array([0], np.int32), mb.identity(x=x)),
        )
        return result[0], result[1]

    inputs = {"x": PAIR, "n": np.array([count], np.int32)}
    check_operator(build, inputs, lambda x, n: (n, (count + 1) * x))


def test_loops_may_contain_loops():
    def build(x):
        def inner(i, y):
            _, grown = mb.while_loop(
                _cond=lambda j, z: mb.less(x=j, y=i),
                _body=lambda j, z: (mb.add(x=j, y=1.0), mb.add(x=z, y=i)),
                loop_vars=(0.0, y),
            )
            return mb.add(x=i, y=1.0), grown

        return mb.while_loop(
            _cond=lambda i, y: mb.less(x=i, y=4.0), _body=inner, loop_vars=(0.0, mb.square(x=x))
        )[1]

    (actual,) = run(build, x=np.zeros(1, np.float32))
    np.testing.assert_array_equal(actual, [1 + 4 + 9])


def test_select_broadcasts_all_three():
    inputs = {
        "c": np.array([[1], [0]], np.int32),
        "a": np.array([1, 2, 3], np.float32),
        "b": np.array([[[0.5]], [[np.inf]]], np.float32),
    }
    check_operator(
        lambda c, a, b: mb.select(cond=mb.cast(x=c, dtype="bool"), a=a, b=b),
        {**inputs, "b": np.broadcast_to(inputs["b"], (2, 2, 3)).copy()},
        lambda c, a, b: torch.where(c.bool(), a, b),
    )


def test_select_takes_integers():
    c, a = np.array([1, 0], np.int32), np.array([3, 4], np.int32)
    (actual,) = run(lambda c, a: mb.select(cond=mb.cast(x=c, dtype="bool"), a=a, b=c), c=c, a=a)
    np.testing.assert_array_equal(actual, [3, 0])


def test_a_list_is_zeros_until_written():
    def build(x):
        before = mb.make_list(init_length=3, elem_shape=(2,))
        after = mb.list_write(ls=before, index=1, value=x)
        return (
            mb.list_read(ls=before, index=1),
            mb.list_gather(ls=after, indices=[2, 1, 1]),
            mb.list_length(ls=after),
        )

    read, gathered, length = run(build, x=PAIR)
    np.testing.assert_array_equal(read, [0, 0])
    np.testing.assert_array_equal(gathered, [[0, 0], PAIR, PAIR])
    assert length == 3


def test_a_list_grows_to_the_highest_index_written():
    def build(x):
        ls = mb.make_list(init_length=1, elem_shape=(2,))
        ls = mb.list_write(ls=ls, index=2, value=x)
        ls = mb.list_scatter(ls=ls, indices=[4, 0], value=np.array([[5, 6], [7, 8]], np.float32))
        return mb.list_gather(ls=ls, indices=[0, 1, 2, 3, 4]), mb.list_read(ls=ls, index=4)

    gathered, last = run(build, x=PAIR)
    np.testing.assert_array_equal(gathered, [[7, 8], [0, 0], PAIR, [0, 0], [5, 6]])
    np.testing.assert_array_equal(last, [5, 6])


def grown_in_a_loop(x, n):
    """Build a list with i·x at each index i."""

    def body(i, ls):
        value = mb.mul(x=x, y=mb.cast(x=i, dtype="fp32"))
        return mb.add(x=i, y=1), mb.list_write(ls=ls, index=i, value=value)

    empty = mb.make_list(init_length=1, elem_shape=(2,))
    return mb.while_loop(_cond=lambda i, ls: mb.less(x=i, y=n), _body=body, loop_vars=(0, empty))[1]


@pytest.mark.parametrize("count", [1, 4])
def test_a_list_grows_in_a_loop(count):
    def build(x, n):
        ls = grown_in_a_loop(x, mb.squeeze(x=n))
        indices = mb.range_1d(start=0, end=mb.list_length(ls=ls), step=1)
        return mb.list_gather(ls=ls, indices=indices)

    (gathered,) = run(build, x=PAIR, n=np.array([count], np.int32))
    np.testing.assert_array_equal(gathered, np.arange(count)[:, None] * PAIR)


@pytest.mark.parametrize("dtype", ["int32", "bool"])
def test_lists_may_have_other_types(dtype):
    def build(x):
        ls = mb.make_list(init_length=2, elem_shape=(2,), dtype=dtype)
        ls = mb.list_write(ls=ls, index=0, value=mb.cast(x=x, dtype=dtype))
        return mb.cast(x=mb.list_gather(ls=ls, indices=[0, 1]), dtype="int32")

    (actual,) = run(build, x=np.array([3, -1], np.int32))
    np.testing.assert_array_equal(actual, [[3, -1] if dtype == "int32" else [1, 1], [0, 0]])


def test_a_list_of_float16_holds_float16():
    def build(x):
        ls = mb.make_list(init_length=1, elem_shape=(2,), dtype="fp16")
        ls = mb.list_write(ls=ls, index=1, value=mb.cast(x=x, dtype="fp16"))
        gathered = mb.list_gather(ls=ls, indices=[0, 1])
        assert gathered.dtype == types.fp16
        return mb.cast(x=gathered, dtype="fp32")

    (actual,) = run(build, x=PAIR)
    np.testing.assert_array_equal(actual, [[0, 0], PAIR])


def read_at(index, **options):
    def build(x, i):
        ls = mb.make_list(init_length=2, elem_shape=(2,), **options)
        ls = mb.list_write(ls=ls, index=mb.squeeze(x=i), value=x)
        return mb.list_read(ls=ls, index=index)

    return build


@pytest.mark.parametrize(
    ("written", "read", "options"),
    [(0, 2, {}), (-1, 0, {}), (2, 0, {"dynamic_length": False})],
    ids=["read beyond the end", "write before the start", "grow a list of fixed length"],
)
def test_index_outside_a_list_is_refused(written, read, options):
    with pytest.raises(OperationError, match="index .* the list has 2 elements"):
        run(read_at(read, **options), x=PAIR, i=np.array([written], np.int32))


@pytest.mark.parametrize("written", [True, False])
def test_unwritten_elements_of_unknown_size_are_as_large_as_written_ones(written):
    def build(x):
        ls = mb.make_list(init_length=2, elem_shape=("rows",))
        ls = mb.list_write(ls=ls, index=1, value=x) if written else ls
        return mb.add(x=x, y=mb.list_read(ls=ls, index=0))

    if written:
        np.testing.assert_array_equal(run(build, x=PAIR)[0], PAIR)
    else:
        with pytest.raises(OperationError, match="nothing was written"):
            run(build, x=PAIR)
