"""Operators agree with torch in float64, for shapes and parameters that hypothesis draws.

The examples are the same in every run. Values are quarters, so that sums and products are exact in
float32, and only the shapes are adventurous.
"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from coremltools.converters.mil.mil import Builder as mb
from coremltools.converters.mil.mil import types
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import mutually_broadcastable_shapes

from tests.support.mil_programs import check_operator, constant
from tests.support.sliding_windows import sliding_windows

pytestmark = pytest.mark.slow  # each example builds and runs two models
examples = settings(max_examples=20, derandomize=True, deadline=None, database=None)

SIZES = st.integers(1, 5)
SHAPES = st.lists(SIZES, min_size=1, max_size=4).map(tuple)


def quarters(*shape, seed: int = 0) -> np.ndarray:
    """Draw multiples of 1/4 between -4 and 4, without 0."""
    values = np.random.default_rng(seed).integers(1, 17, shape) / 4
    signs = np.random.default_rng(seed + 1).choice([-1, 1], shape)
    return (signs * values).astype(np.float32)


def axes_of(rank: int) -> st.SearchStrategy[int]:
    return st.integers(-rank, rank - 1)


def of_model(result: torch.Tensor) -> torch.Tensor:
    """Return a result as a model gives it: a scalar becomes an array of one element."""
    return torch.atleast_1d(result)


BINARY = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "real_div": lambda x, y: x / y,
    "maximum": lambda x, y: torch.maximum(x, y),
    "minimum": lambda x, y: torch.minimum(x, y),
    "floor_div": lambda x, y: torch.floor(x / y),
    "mod": lambda x, y: x.remainder(y),
}


@examples
@given(
    st.sampled_from(list(BINARY)),
    mutually_broadcastable_shapes(num_shapes=2, min_dims=1, max_dims=5, min_side=1, max_side=4),
)
def test_binary_operators_broadcast(kind, shapes):
    x, y = shapes.input_shapes
    check_operator(
        lambda x, y: getattr(mb, kind)(x=x, y=y),
        {"x": quarters(*x), "y": quarters(*y, seed=2)},
        BINARY[kind],
    )


REDUCTIONS = {
    "reduce_l1_norm": lambda x, axes, keep: x.abs().sum(axes, keep),
    "reduce_max": torch.amax,
    "reduce_mean": torch.mean,
    "reduce_min": torch.amin,
    "reduce_sum": torch.sum,
    "reduce_sum_square": lambda x, axes, keep: x.square().sum(axes, keep),
}


@examples
@given(st.data(), SHAPES, st.sampled_from(list(REDUCTIONS)), st.booleans())
def test_reductions_take_any_axes(data, shape, kind, keep_dims):
    rank = len(shape)
    axes = data.draw(
        st.lists(axes_of(rank), min_size=1, max_size=rank, unique_by=lambda axis: axis % rank)
    )
    check_operator(
        lambda x: getattr(mb, kind)(x=x, axes=axes, keep_dims=keep_dims),
        {"x": quarters(*shape)},
        lambda x: of_model(REDUCTIONS[kind](x, axes, keep_dims)),
    )


@examples
@given(st.data(), SHAPES)
def test_transpose_and_reshape_take_any_order(data, shape):
    perm = data.draw(st.permutations(range(len(shape))))
    new_shape = data.draw(st.permutations(shape))
    inferred = list(new_shape)
    inferred[data.draw(st.integers(0, len(shape) - 1))] = -1
    check_operator(
        lambda x: [
            mb.transpose(x=x, perm=perm),
            mb.reshape(x=mb.transpose(x=x, perm=perm), shape=inferred),
        ],
        {"x": quarters(*shape)},
        lambda x: [x.permute(perm), x.permute(perm).reshape(tuple(new_shape))],
    )


def bounds_of(size: int, squeeze: bool) -> st.SearchStrategy[tuple]:
    """Draw (begin, end, stride, begin_mask, end_mask) that keep at least one element of an axis."""
    bounds = st.tuples(
        st.integers(-size, size - 1),
        st.integers(-size, size),
        st.just(1) if squeeze else st.sampled_from([1, 2, 3, -1, -2]),
        st.just(False) if squeeze else st.booleans(),
        st.booleans(),
    )
    return bounds.filter(lambda bound: len(range(size)[python_slice(*bound)]) > 0)


def python_slice(begin: int, end: int, stride: int, begin_mask: bool, end_mask: bool) -> slice:
    return slice(None if begin_mask else begin, None if end_mask else end, stride)


@examples
@given(st.data(), SHAPES)
def test_slice_by_index_slices_as_python_does(data, shape):
    squeeze = [data.draw(st.booleans()) for _ in shape]
    squeeze[0] = False
    bounds = [data.draw(bounds_of(*axis)) for axis in zip(shape, squeeze, strict=True)]
    begin, end, stride, begin_mask, end_mask = (
        list(column) for column in zip(*bounds, strict=True)
    )
    index = tuple(
        bound[0] if squeezed else python_slice(*bound)
        for bound, squeezed in zip(bounds, squeeze, strict=True)
    )
    check_operator(
        lambda x: mb.slice_by_index(
            x=x,
            begin=begin,
            end=end,
            stride=stride,
            begin_mask=begin_mask,
            end_mask=end_mask,
            squeeze_mask=squeeze,
        ),
        {"x": quarters(*shape)},
        lambda x: torch.from_numpy(x.numpy()[index].copy()),
    )


@examples
@given(st.data(), SHAPES, st.lists(SIZES, min_size=1, max_size=3))
def test_concat_takes_unequal_sizes(data, shape, sizes):
    axis = data.draw(axes_of(len(shape)))
    parts = []
    for seed, size in enumerate(sizes):
        part = list(shape)
        part[axis] = size
        parts.append(quarters(*part, seed=seed))
    check_operator(
        lambda **values: mb.concat(values=list(values.values()), axis=axis),
        {f"x{number}": part for number, part in enumerate(parts)},
        lambda **values: torch.cat(list(values.values()), axis),
    )


@examples
@given(st.data(), SHAPES)
def test_pad_and_tile_take_any_amounts(data, shape):
    padded = data.draw(st.integers(1, len(shape)))  # how many of the last axes
    amounts = [data.draw(st.integers(0, 3)) for _ in range(2 * padded)]
    repeats = [data.draw(st.integers(1, 3)) for _ in shape]
    pairs = [(0, 0)] * (len(shape) - padded) + list(zip(amounts[::2], amounts[1::2], strict=True))
    check_operator(
        lambda x: [
            mb.pad(x=x, pad=amounts, mode="constant", constant_val=constant(2.5, x)),
            mb.tile(x=x, reps=repeats),
        ],
        {"x": quarters(*shape)},
        lambda x: [
            torch.from_numpy(np.pad(x.numpy(), pairs, constant_values=2.5)),
            x.repeat(repeats),
        ],
    )


@examples
@given(st.data(), SHAPES, st.lists(SIZES, min_size=1, max_size=2))
def test_gather_takes_any_axis(data, shape, index_shape):
    axis = data.draw(axes_of(len(shape)))
    seed = data.draw(st.integers(0, 99))
    indices = np.random.default_rng(seed).integers(0, shape[axis], index_shape).astype(np.int32)
    check_operator(
        lambda x, indices: mb.gather(x=x, indices=indices, axis=axis),
        {"x": quarters(*shape), "indices": indices},
        lambda x, indices: torch.from_numpy(np.take(x.numpy(), indices.numpy(), axis)),
    )


@examples
@given(
    mutually_broadcastable_shapes(
        signature="(m,k),(k,n)->(m,n)", max_dims=3, min_side=1, max_side=4
    ),
    st.booleans(),
    st.booleans(),
)
def test_matmul_broadcasts_batches(shapes, transpose_x, transpose_y):
    def turned(shape, seed, transpose):
        array = quarters(*shape, seed=seed)
        return array.swapaxes(-1, -2).copy() if transpose else array

    x, y = shapes.input_shapes
    check_operator(
        lambda x, y: mb.matmul(x=x, y=y, transpose_x=transpose_x, transpose_y=transpose_y),
        {"x": turned(x, 0, transpose_x), "y": turned(y, 2, transpose_y)},
        lambda x, y: (x.mT if transpose_x else x) @ (y.mT if transpose_y else y),
    )


@st.composite
def windows(draw, most_padding: int) -> dict:
    """Draw sizes, strides and padding of windows in one or two dimensions, and a picture that they fit."""
    rank = draw(st.integers(1, 2))
    sizes = draw(st.lists(st.integers(1, 3), min_size=rank, max_size=rank))
    return {
        "sizes": sizes,
        "strides": [draw(st.integers(1, 3)) for _ in sizes],
        "dilations": [draw(st.integers(1, 2)) for _ in sizes],
        "pad": [draw(st.integers(0, min(most_padding, size - 1))) for size in sizes for _ in "ab"],
        "space": [2 * (size - 1) + draw(SIZES) for size in sizes],  # dilated by 2 at most
    }


def pairs_of(pad: list[int]) -> list[tuple[int, int]]:
    return list(zip(pad[::2], pad[1::2], strict=True))


@examples
@given(windows(most_padding=2), st.integers(1, 3), st.integers(1, 2), st.integers(1, 2))
def test_conv_takes_any_layout(drawn, groups, inputs_each, outputs_each):
    weight = quarters(groups * outputs_each, inputs_each, *drawn["sizes"], seed=4)
    convolve = {1: F.conv1d, 2: F.conv2d}[len(drawn["sizes"])]

    def expected(x):
        around = [amount for pair in reversed(pairs_of(drawn["pad"])) for amount in pair]
        filters = torch.from_numpy(weight).double()
        return convolve(
            F.pad(x, around),
            filters,
            stride=drawn["strides"],
            dilation=drawn["dilations"],
            groups=groups,
        )

    check_operator(
        lambda x: mb.conv(
            x=x,
            weight=constant(weight, x),
            pad_type="custom",
            pad=drawn["pad"],
            strides=drawn["strides"],
            dilations=drawn["dilations"],
            groups=groups,
        ),
        {"x": quarters(2, groups * inputs_each, *drawn["space"])},
        expected,
    )


@examples
@given(windows(most_padding=1))
def test_pools_take_any_layout(drawn):
    layout = {
        "kernel_sizes": drawn["sizes"],
        "strides": drawn["strides"],
        "pad_type": "custom",
        "pad": drawn["pad"],
    }

    def values(x, around):
        laid = sliding_windows(
            x, drawn["sizes"], drawn["strides"], pairs_of(drawn["pad"]), value=around
        )
        return laid.flatten(x.dim())  # [n, channels, *windows, values of a window]

    check_operator(
        lambda x: [mb.max_pool(x=x, **layout), mb.avg_pool(x=x, **layout)],
        {"x": quarters(1, 2, *drawn["space"])},
        lambda x: [values(x, -torch.inf).amax(-1), values(x, 0.0).mean(-1)],
    )


@examples
@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=1, max_size=3),
    st.sampled_from(["int4", "uint4", "int8", "uint8"]),
    st.booleans(),
)
def test_blockwise_constants(axes, dtype, has_offset):
    """For each axis the number of blocks and their length are drawn."""
    blocks, lengths = zip(*axes, strict=True)
    shape = tuple(np.multiply(blocks, lengths))
    low, high = (-8, 8) if dtype.startswith("int") else (0, 16)
    rng = np.random.default_rng(0)
    data, offset = rng.integers(low, high, shape), rng.integers(low, high, blocks)
    scale = rng.integers(1, 8, blocks) / 16

    def typed(values):
        return values.astype(types.nptype_from_builtin(types.string_to_builtin(dtype)))

    def build(x):
        given_offset = {"offset": typed(offset)} if has_offset else {}
        y = mb.constexpr_blockwise_shift_scale(
            data=typed(data), scale=constant(scale, x), **given_offset
        )
        return mb.add(x=x, y=y)

    spread = np.ones(lengths)
    exact = (data - (np.kron(offset, spread) if has_offset else 0)) * np.kron(scale, spread)
    check_operator(build, {"x": np.zeros(1, np.float32)}, lambda x: x + torch.from_numpy(exact))
