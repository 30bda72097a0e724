import numpy as np
import pytest
import torch
from coremltools.converters.mil.mil import Builder as mb

from tests.support.mil_programs import build_model, check_operator, run_model
from validation.mil_runtime.errors import OperationError

MODES = ("update", "add", "sub", "mul", "div", "max", "min")
OPSETS = ("iOS15", "iOS16", "iOS17")


def numbers(*shape, seed=0):
    """Return numbers of 1/2 to 2 of either sign, so that products and quotients of a few do not overflow."""
    source = np.random.default_rng(seed)
    return (source.uniform(0.5, 2, shape) * source.choice([-1, 1], shape)).astype(np.float32)


def ints(values):
    return np.array(values, np.int32)


def refuse(build, inputs, message, opset="iOS18"):
    with pytest.raises(OperationError, match=message):
        run_model(build_model(build, inputs, opset), inputs)


def combine(mode, old, new):
    return {
        "update": lambda: new,
        "add": lambda: old + new,
        "sub": lambda: old - new,
        "mul": lambda: old * new,
        "div": lambda: old / new,
        "max": lambda: np.maximum(old, new),
        "min": lambda: np.minimum(old, new),
    }[mode]()


@pytest.mark.parametrize("opset", OPSETS)
@pytest.mark.parametrize("indices", [ints(2), ints([0, 2, 2]), ints([[0, 1], [2, 0]])])
def test_gather_puts_the_shape_of_its_indices_in_place_of_the_axis(indices, opset):
    axes = (0, 1, -1)

    def expected(x):
        return [torch.from_numpy(np.take(x.numpy(), indices, axis)) for axis in axes]

    def build(x):
        return [mb.gather(x=x, indices=indices, axis=axis) for axis in axes]

    check_operator(build, {"x": numbers(3, 4, 5)}, expected, opset)


@pytest.mark.parametrize(("axis", "batch_dims"), [(1, 1), (2, 1), (-1, 2), (2, 2)])
def test_gather_in_batches_has_indices_for_each(axis, batch_dims):
    inputs = {"x": numbers(2, 3, 4, 5)}
    shape = (2, 3)[:batch_dims] + (2, 2)
    inputs["indices"] = np.random.default_rng(0).integers(0, 3, shape).astype(np.int32)

    def build(x, indices):
        return mb.gather(x=x, indices=indices, axis=axis, batch_dims=batch_dims)

    def expected(x, indices):
        batches = np.ndindex(*indices.shape[:batch_dims])
        inner = axis - batch_dims if axis >= 0 else axis
        parts = [np.take(x[batch].numpy(), indices[batch].numpy(), inner) for batch in batches]
        stacked = np.stack(parts)
        return torch.from_numpy(stacked.reshape(*indices.shape[:batch_dims], *stacked.shape[1:]))

    check_operator(build, inputs, expected, "iOS16")


def test_gather_along_axis_takes_an_element_for_each_index():
    inputs = {"x": numbers(3, 3, 3), "indices": ints(np.arange(27).reshape(3, 3, 3) % 3)}
    axes = (0, 1, -1)

    def expected(x, indices):
        indices = indices.long().numpy()
        return [torch.from_numpy(np.take_along_axis(x.numpy(), indices, axis)) for axis in axes]

    def build(x, indices):
        return [mb.gather_along_axis(x=x, indices=indices, axis=axis) for axis in axes]

    check_operator(build, inputs, expected)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("opset", ["iOS15", "iOS17"])
def test_gather_nd_takes_what_each_row_of_indices_names(depth, opset):
    inputs = {"x": numbers(3, 4, 5), "indices": ints([[[0, 3, 4], [2, 1, 0]]])[..., :depth]}

    def expected(x, indices):
        return x[tuple(indices.long().movedim(-1, 0))]

    check_operator(lambda x, indices: mb.gather_nd(x=x, indices=indices), inputs, expected, opset)


@pytest.mark.parametrize(("batch_dims", "depth"), [(1, 1), (1, 2), (2, 1)])
def test_gather_nd_in_batches_has_indices_for_each(batch_dims, depth):
    shape = (2, 3)[:batch_dims] + (4, depth)
    indices = np.random.default_rng(0).integers(0, 3, shape)
    inputs = {"x": numbers(2, 3, 4, 5), "indices": ints(indices)}

    def expected(x, indices):
        rows = [
            x[batch][tuple(indices[batch].long().T)]
            for batch in np.ndindex(*indices.shape[:batch_dims])
        ]
        return torch.stack(rows).unflatten(0, indices.shape[:batch_dims])

    def build(x, indices):
        return mb.gather_nd(x=x, indices=indices, batch_dims=batch_dims)

    check_operator(build, inputs, expected, "iOS16")


@pytest.mark.parametrize("axis", [0, -1])
def test_scatter_combines_slices(axis):
    shape = (2, 3) if axis == 0 else (4, 2)
    inputs = {"data": numbers(4, 3), "updates": numbers(*shape, seed=1), "indices": ints([2, 0])}

    def build(data, updates, indices):
        given = {"data": data, "updates": updates, "indices": indices, "axis": axis}
        return [mb.scatter(**given, mode=mode) for mode in MODES]

    def expected(data, updates, indices):
        def result(mode):
            result = data.movedim(axis, 0).numpy().copy()
            for update, index in zip(updates.movedim(axis, 0).numpy(), indices, strict=True):
                result[index] = combine(mode, result[index], update)
            return torch.from_numpy(result).movedim(0, axis)

        return [result(mode) for mode in MODES]

    check_operator(build, inputs, expected)


def test_scatter_along_axis_combines_elements_in_turn():
    inputs = {"data": numbers(3, 4), "updates": numbers(3, 3, seed=1)}
    inputs["indices"] = ints([[0, 3, 0], [1, 1, 1], [2, 0, 2]])

    def build(data, updates, indices):
        given = {"data": data, "updates": updates, "indices": indices, "axis": -1}
        return [mb.scatter_along_axis(**given, mode=mode) for mode in MODES]

    def expected(data, updates, indices):
        def result(mode):
            result = data.numpy().copy()
            for row, column in np.ndindex(3, 3):
                at = row, indices[row, column]
                result[at] = combine(mode, result[at], updates[row, column].numpy())
            return torch.from_numpy(result)

        return [result(mode) for mode in MODES]

    check_operator(build, inputs, expected)


@pytest.mark.parametrize("depth", [1, 2])
def test_scatter_nd_combines_what_each_row_of_indices_names_in_turn(depth):
    inputs = {"data": numbers(3, 4), "updates": numbers(3, *(4,)[: 2 - depth], seed=1)}
    inputs["indices"] = ints([[1, 0], [2, 3], [1, 0]])[:, :depth]

    def build(data, updates, indices):
        given = {"data": data, "updates": updates, "indices": indices}
        return [mb.scatter_nd(**given, mode=mode) for mode in MODES]

    def expected(data, updates, indices):
        def result(mode):
            result = data.numpy().copy()
            for at, update in zip(map(tuple, indices.tolist()), updates.numpy(), strict=True):
                result[at] = combine(mode, result[at], update)
            return torch.from_numpy(result)

        return [result(mode) for mode in MODES]

    check_operator(build, inputs, expected)


def test_scatter_adds_unless_told():
    inputs = {"data": ints([[1, 2], [3, 4]]), "updates": ints([[10, 20]])}

    def build(data, updates):
        return (
            mb.scatter(data=data, indices=[1], updates=updates),
            mb.scatter_along_axis(data=data, indices=[[1, 0]], updates=updates),
            mb.scatter_nd(data=data, indices=[[1]], updates=updates),
        )

    def expected(data, updates):
        whole_row = torch.tensor([[1, 2], [13, 24]])
        return whole_row, torch.tensor([[1, 22], [13, 4]]), whole_row

    check_operator(build, inputs, expected)


def test_scatter_of_halves_rounds_once():
    """Each of these numbers would be lost if it were added to 2048 in float16 alone."""
    inputs = {"data": np.float32([2048]), "updates": np.ones(8, np.float32)}

    def build(data, updates):
        return mb.scatter_nd(data=data, indices=np.zeros((8, 1), np.int32), updates=updates)

    check_operator(build, inputs, lambda data, updates: data + updates.sum())


def below_zero(kind):
    """Build each operator with an index that numpy would count from the end."""
    index = {"x": numbers(2, 3), "i": ints([-1])}
    row = numbers(1, 3)
    return {
        "gather": lambda x, i: mb.gather(x=x, indices=i),
        "gather_along_axis": lambda x, i: mb.gather_along_axis(
            x=x, indices=mb.tile(x=mb.expand_dims(x=i, axes=[1]), reps=[1, 3])
        ),
        "gather_nd": lambda x, i: mb.gather_nd(x=x, indices=mb.expand_dims(x=i, axes=[1])),
        "scatter": lambda x, i: mb.scatter(data=x, indices=i, updates=row),
        "scatter_along_axis": lambda x, i: mb.scatter_along_axis(
            data=x,
            indices=mb.tile(x=mb.expand_dims(x=i, axes=[1]), reps=[1, 3]),
            updates=row,
        ),
        "scatter_nd": lambda x, i: mb.scatter_nd(
            data=x, indices=mb.expand_dims(x=i, axes=[1]), updates=row
        ),
    }[kind], index


KINDS = ("gather", "gather_along_axis", "gather_nd", "scatter", "scatter_along_axis", "scatter_nd")


@pytest.mark.parametrize("kind", KINDS)
def test_indices_below_zero_count_from_the_end_up_to_ios16(kind):
    build, inputs = below_zero(kind)
    (result,) = run_model(build_model(build, inputs, "iOS16"), inputs)
    x = inputs["x"]
    expected = x[-1:] if kind.startswith("gather") else np.stack([x[0], x[1] + numbers(1, 3)[0]])
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_indices_below_zero_are_out_of_range_from_ios17_on(kind):
    build, inputs = below_zero(kind)
    refuse(build, inputs, "index -1: expected one from 0 to 1", "iOS17")


@pytest.mark.parametrize(("opset", "index"), [("iOS16", 2), ("iOS16", -3), ("iOS17", 2)])
def test_indices_out_of_range_are_refused(opset, index):
    build, inputs = below_zero("gather")
    refuse(build, inputs | {"i": ints([index])}, f"index {index}: expected", opset)


def test_indices_that_are_to_be_validated_are():
    inputs = {"x": numbers(2, 3), "i": ints([[1], [2]])}

    def build(x, i):
        return mb.gather_nd(x=x, indices=i, validate_indices=True)

    refuse(build, inputs, "index 2: expected one from 0 to 1")


def test_quotients_of_integers_are_refused():
    inputs = {"data": ints([7]), "updates": ints([2])}

    def build(data, updates):
        return mb.scatter(data=data, indices=[0], updates=updates, mode="div")

    refuse(build, inputs, "div")
