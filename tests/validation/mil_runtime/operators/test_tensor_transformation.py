import numpy as np
import pytest
import torch
from coremltools.converters.mil.mil import Builder as mb

from tests.support.mil_programs import build_model, check_operator, run_model
from validation.mil_runtime.errors import OperationError


def numbered(*shape):
    """Return an array of different numbers, which float16 holds exactly."""
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def check(build, expected, *shape, opset="iOS18"):
    check_operator(build, {"x": numbered(*shape)}, expected, opset)


def refuse(build, inputs, message, opset="iOS18"):
    with pytest.raises(OperationError, match=message):
        run_model(build_model(build, inputs, opset), inputs)


def sizes(array):
    return np.array(array, np.int32)


def depth_to_space(x, block):
    n, c, h, w = x.shape
    out = torch.empty(n, c // block**2, h * block, w * block, dtype=x.dtype)
    for row in range(block):
        for column in range(block):
            first = (row * block + column) * out.shape[1]
            out[:, :, row::block, column::block] = x[:, first : first + out.shape[1]]
    return out


def test_depth_to_space_spreads_groups_of_channels_over_a_block():
    check(
        lambda x: mb.depth_to_space(x=x, block_size=2), lambda x: depth_to_space(x, 2), 2, 12, 2, 3
    )


def test_space_to_depth_undoes_depth_to_space():
    check(
        lambda x: mb.depth_to_space(x=mb.space_to_depth(x=x, block_size=3), block_size=3),
        lambda x: x,
        *(2, 2, 3, 6),
    )


def test_space_to_depth_takes_every_nth_pixel():
    def expected(x):
        return torch.cat([x[:, :, row::2, column::2] for row in (0, 1) for column in (0, 1)], 1)

    check(lambda x: mb.space_to_depth(x=x, block_size=2), expected, 2, 3, 4, 6)


def test_pixel_shuffle_spreads_neighboring_channels_over_a_block():
    def expected(x):
        out = torch.empty(1, 2, 4, 6, dtype=x.dtype)
        for offset in range(4):
            out[:, :, offset // 2 :: 2, offset % 2 :: 2] = x[:, offset::4]
        return out

    check(lambda x: mb.pixel_shuffle(x=x, upscale_factor=2), expected, 1, 8, 2, 3)


def test_pixel_unshuffle_gathers_a_block_in_neighboring_channels():
    def expected(x):
        parts = [x[:, :, row::2, column::2] for row in (0, 1) for column in (0, 1)]
        return torch.stack(parts, 2).flatten(1, 2)

    check(lambda x: mb.pixel_unshuffle(x=x, downscale_factor=np.uint32(2)), expected, 1, 3, 4, 6)


def test_space_to_batch_pads_and_takes_every_nth_pixel():
    def expected(x):
        padded = torch.zeros(2, 3, 4, 6, dtype=x.dtype)
        padded[:, :, 1:4, :4] = x
        return torch.cat(
            [padded[:, :, row::2, column::3] for row in range(2) for column in range(3)]
        )

    check(
        lambda x: mb.space_to_batch(x=x, block_shape=[2, 3], paddings=[[1, 0], [0, 2]]),
        expected,
        *(2, 3, 3, 4),
    )


def test_batch_to_space_interleaves_batches_and_crops():
    def expected(x):
        out = torch.empty(2, 3, 4, 9, dtype=x.dtype)
        for offset in range(6):
            out[:, :, offset // 3 :: 2, offset % 3 :: 3] = x[2 * offset : 2 * offset + 2]
        return out[:, :, 1:4, 0:7]

    check(
        lambda x: mb.batch_to_space(x=x, block_shape=[2, 3], crops=[[1, 0], [0, 2]]),
        expected,
        *(12, 3, 2, 3),
    )


@pytest.mark.parametrize(
    ("axes", "shape"), [([0], (1, 2, 3)), ([-1, 0], (1, 2, 3, 1)), ([3, 1], (2, 1, 3, 1))]
)
def test_expand_dims_counts_axes_in_the_result(axes, shape):
    check(lambda x: mb.expand_dims(x=x, axes=axes), lambda x: x.reshape(shape), 2, 3)


@pytest.mark.parametrize(
    ("axes", "shape"), [(None, (2, 3)), ([0], (2, 1, 3)), ([-2, 0], (2, 3)), ([0, 1], (2, 1, 3))]
)
def test_squeeze_drops_only_sizes_of_one(axes, shape):
    axes = {} if axes is None else {"axes": axes}
    check(lambda x: mb.squeeze(x=x, **axes), lambda x: x.reshape(shape), 1, 2, 1, 3)


@pytest.mark.parametrize("perm", [(0, 2, 1), (2, 0, 1), (-1, 0, -2)])
def test_transpose_orders_axes(perm):
    def expected(x):
        return torch.from_numpy(np.transpose(x.numpy(), perm).copy())

    check(lambda x: mb.transpose(x=x, perm=perm), expected, 2, 3, 4)


@pytest.mark.parametrize("opset", ["iOS15", "iOS17"])
@pytest.mark.parametrize(
    ("shape", "result"),
    [([6, 4], (6, 4)), ([-1], (24,)), ([0, -1, 1], (2, 12, 1)), ([0, 4, 0], None)],
)
def test_reshape_infers_one_size_and_inherits_others(shape, result, opset):
    source = (2, 4, 3) if result is None else (2, 3, 4)
    check(
        lambda x: mb.reshape(x=x, shape=sizes(shape)),
        lambda x: x.reshape(result or source),
        *source,
        opset=opset,
    )


@pytest.mark.parametrize(
    ("shape", "result"), [([1, 0, -1, 0], (1, 1, 2, 50)), ([-1, 0], (2, 50)), ([0, 0], (2, 50))]
)
def test_reshape_of_ios17_inherits_sizes_from_the_last(shape, result):
    check(lambda x: mb.reshape(x=x, shape=sizes(shape)), lambda x: x.reshape(result), 2, 50)


def test_reshape_of_ios15_takes_zeros_only_for_the_rank_of_x():
    inputs = {"x": numbered(2, 3), "shape": sizes([0, 3, 2])}
    refuse(lambda x, shape: mb.reshape(x=x, shape=shape), inputs, "expected 2 sizes", "iOS15")


def test_reshape_refuses_another_number_of_elements():
    inputs = {"x": numbered(2, 3), "shape": sizes([4, 2])}
    refuse(lambda x, shape: mb.reshape(x=x, shape=shape), inputs, "invalid for input of size 6")


def test_reshape_like_joins_parts_of_shapes():
    def build(x):
        references = (mb.fill(shape=[2, 3, 4]), mb.fill(shape=[1, 5, 6]))
        return mb.reshape_like(
            x=x, ref_tensors=references, begins=(0, 1), ends=(2, 0), end_masks=(False, True)
        )

    check(build, lambda x: x.reshape(2, 3, 5, 6), 15, 12)


@pytest.mark.parametrize("axes", [None, [0], [-1, 1]])
def test_reverse_turns_axes_around(axes):
    def expected(x):
        return torch.from_numpy(np.flip(x.numpy(), axes).copy())

    given = {} if axes is None else {"axes": axes}
    check(lambda x: mb.reverse(x=x, **given), expected, 2, 3, 4)


@pytest.mark.parametrize(("seq_axis", "batch_axis"), [(1, 0), (0, 1), (-1, 1)])
def test_reverse_sequence_reverses_the_beginning_of_each_slice(seq_axis, batch_axis):
    lengths = sizes([0, 3, 2])

    def expected(x):
        result = x.movedim((batch_axis, seq_axis), (0, 1)).clone()
        for row, length in enumerate(lengths):
            result[row, :length] = result[row, :length].flip(0)
        return result.movedim((0, 1), (batch_axis, seq_axis))

    def build(x):
        return mb.reverse_sequence(x=x, lengths=lengths, seq_axis=seq_axis, batch_axis=batch_axis)

    check(build, expected, 3, 3, 3)


def test_reverse_sequence_refuses_what_is_not_defined():
    x = {"x": numbered(2, 3)}
    refuse(lambda x: mb.reverse_sequence(x=x, lengths=[1, 2]), x, "expected two different axes")
    refuse(lambda x: mb.reverse_sequence(x=x, lengths=[1, 4], seq_axis=1), x, "from 0 to 3")
    refuse(lambda x: mb.reverse_sequence(x=x, lengths=[1], seq_axis=1), x, "expected 2 of them")


@pytest.mark.parametrize(("axis", "size", "stride"), [(0, 2, None), (1, 3, 2), (-1, 4, 4)])
def test_sliding_windows_follow_their_axis(axis, size, stride):
    def expected(x):
        last = x.shape[axis] - size
        windows = [x.narrow(axis, start, size) for start in range(0, last + 1, stride or 1)]
        return torch.stack(windows, axis if axis >= 0 else axis - 1)

    given = {} if stride is None else {"stride": stride}
    check(lambda x: mb.sliding_windows(x=x, axis=axis, size=size, **given), expected, 4, 5, 9)


@pytest.mark.parametrize(
    ("begin", "size", "index"),
    [
        ([0, 1, 2], [2, 1, 1], np.s_[0:2, 1:2, 2:3]),
        ([1, 0, 1], [-1, -1, -1], np.s_[1:, :, 1:]),
        ([-1, 0, -3], [1, 2, 2], np.s_[-1:, 0:2, 1:3]),
    ],
)
def test_slice_by_size_takes_begin_and_size(begin, size, index):
    check(
        lambda x: mb.slice_by_size(x=x, begin=sizes(begin), size=sizes(size)),
        lambda x: x[index],
        *(2, 3, 4),
    )


def test_slice_by_size_refuses_to_reach_beyond_its_tensor():
    inputs = {"x": numbered(2, 3), "size": sizes([2, 3])}
    refuse(lambda x, size: mb.slice_by_size(x=x, begin=[0, 1], size=size), inputs, "exceeds")


# begin, end, stride, begin_mask, end_mask, squeeze_mask of a tensor [3, 4, 5], and numpy's index
SLICES = {
    "plain": ([0, 1, 2], [2, 3, 5], None, None, None, None, np.s_[0:2, 1:3, 2:5]),
    "stride": ([0, 0, 1], [3, 4, 5], [2, 3, 2], None, None, None, np.s_[::2, ::3, 1::2]),
    "from the end": ([-2, -3, -5], [-1, 4, -1], None, None, None, None, np.s_[-2:-1, -3:4, -5:-1]),
    "beyond the end": ([0, 1, 0], [9, 99, 5], None, None, None, None, np.s_[0:9, 1:99, :]),
    "masks": (
        *([1, 2, 3], [1, 2, 3], None),
        *([True, False, True], [True, True, False], None, np.s_[:, 2:, :3]),
    ),
    "backwards": (
        [2, 3, 4],
        [0, 1, 0],
        [-1, -2, -3],
        None,
        None,
        None,
        np.s_[2:0:-1, 3:1:-2, 4:0:-3],
    ),
    "all backwards": (
        *([0, 0, 0], [0, 0, 0], [-1, -2, 1]),
        *([True, True, True], [True, True, True], None, np.s_[::-1, ::-2, :]),
    ),
    "squeeze": (
        *([1, -1, 0], [0, 0, 5], [1, 1, -1], None),
        *([False, False, True], [True, True, False], np.s_[1, -1, 0::-1]),
    ),
    "squeeze before backwards": (
        *([1, 2, 4], [0, 4, 0], [1, 1, -2], None, None, [True, False, False]),
        np.s_[1, 2:4, 4:0:-2],
    ),
    "squeeze all": ([1, 2, -2], [0, 0, 0], None, None, None, [True] * 3, np.s_[1, 2, -2]),
    "masked squeeze": (
        *([1, 2, 3], [3, 4, 5], None, [True, False, False], None, [True, False, False]),
        np.s_[0, 2:4, 3:5],
    ),
}


def slice_arguments(name):
    names = ("begin", "end", "stride", "begin_mask", "end_mask", "squeeze_mask")
    *values, index = SLICES[name]
    given = {key: value for key, value in zip(names, values, strict=True) if value is not None}
    return given, index


@pytest.mark.parametrize("name", SLICES)
def test_slice_by_index_slices_as_numpy_does(name):
    given, index = slice_arguments(name)

    def expected(x):
        return torch.from_numpy(np.atleast_1d(x.numpy()[index]).copy())

    check(lambda x: mb.slice_by_index(x=x, **given), expected, 3, 4, 5)


def test_slice_by_index_takes_what_is_computed():
    inputs = {"x": numbered(4, 5), "begin": sizes([3, 2]), "end": sizes([0, 2])}

    def build(x, begin, end):
        return mb.slice_by_index(x=x, begin=begin, end=end, stride=[-2, 1])

    def expected(x, begin, end):
        return x[[3, 1], 2:2]

    check_operator(build, inputs, expected, "iOS15")


def test_slice_by_index_refuses_a_squeezed_index_that_is_out_of_range():
    inputs = {"x": numbered(4, 5), "begin": sizes([4, 2])}

    def build(x, begin):
        return mb.slice_by_index(x=x, begin=begin, end=begin, squeeze_mask=[True, True])

    refuse(build, inputs, "out of bounds")


@pytest.mark.parametrize("name", ["stride", "backwards", "squeeze before backwards", "masks"])
def test_slice_update_writes_what_slice_by_index_reads(name):
    given, index = slice_arguments(name)
    x = numbered(3, 4, 5)
    update = -1 - numbered(*x[index].shape)

    def expected(x, update):
        result = x.numpy().copy()
        result[index] = update.numpy()
        return torch.from_numpy(result)

    check_operator(
        lambda x, update: mb.slice_update(x=x, update=update, **given),
        {"x": x, "update": update},
        expected,
    )


def test_slice_update_leaves_its_argument_as_it_is():
    inputs = {"x": numbered(3)}

    def build(x):
        updated = mb.slice_update(x=x, update=np.float32([7]), begin=[1], end=[2])
        return updated, mb.identity(x=x)

    updated, x = run_model(build_model(build, inputs), inputs)
    np.testing.assert_array_equal(updated, [0, 7, 2])
    np.testing.assert_array_equal(x, [0, 1, 2])


def test_slice_update_refuses_another_shape():
    inputs = {"x": numbered(4), "begin": sizes([1])}

    def build(x, begin):
        return mb.slice_update(x=x, update=np.zeros(2, np.float32), begin=begin, end=[4])

    refuse(build, inputs, "update has the shape")
