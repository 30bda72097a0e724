import math

import numpy as np
import pytest
import torch
from coremltools.converters.mil.mil import Builder as mb

from tests.support.mil_programs import build_model, check_operator, run_model
from tests.support.sliding_windows import sliding_windows
from validation.mil_runtime.errors import OperationError
from validation.mil_runtime.operators.pool import avg_pool, l2_pool, max_pool

SHAPE = (2, 3, 7, 6, 5)
# Every kind of padding, with what it adds to sizes 7, 6, 5 under windows of 3, 2, 2 every 2, 1, 3.
SIZES, STRIDES = [3, 2, 2], [2, 1, 3]
PADDINGS = {
    "valid": [(0, 0), (0, 0), (0, 0)],
    "same": [(1, 1), (0, 1), (0, 0)],
    "same_lower": [(1, 1), (1, 0), (0, 0)],
    "custom": [(0, 2), (1, 0), (1, 1)],
}


def random(*shape):
    return np.random.default_rng(0).normal(0, 1, shape).astype(np.float32)


def windows_of(x, padding, sizes, strides, value=0.0):
    """Return the values of all windows: [n, channels, *windows, values of a window]."""
    return sliding_windows(x, sizes, strides, padding, value=value).flatten(x.dim())


def arguments(pad_type, rank):
    given = {"pad": np.ravel(PADDINGS["custom"][:rank])} if pad_type == "custom" else {}
    return given | {
        "kernel_sizes": SIZES[:rank],
        "strides": STRIDES[:rank],
        "pad_type": pad_type,
    }


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("pad_type", PADDINGS)
def test_max_pool_finds_the_largest_of_each_window(rank, pad_type):
    layout = PADDINGS[pad_type][:rank], SIZES[:rank], STRIDES[:rank]
    check_operator(
        lambda x: mb.max_pool(x=x, **arguments(pad_type, rank)),
        {"x": random(*SHAPE[: rank + 2]) - 5},
        lambda x: windows_of(x, *layout, value=-math.inf).amax(-1),
    )


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("pad_type", PADDINGS)
@pytest.mark.parametrize("exclude", [False, True])
def test_avg_pool_counts_padding_unless_it_is_excluded(rank, pad_type, exclude):
    layout = PADDINGS[pad_type][:rank], SIZES[:rank], STRIDES[:rank]

    def expected(x):
        if exclude:
            return windows_of(x, *layout, value=math.nan).nanmean(-1)
        return windows_of(x, *layout).mean(-1)

    check_operator(
        lambda x: mb.avg_pool(
            x=x, exclude_padding_from_average=exclude, **arguments(pad_type, rank)
        ),
        {"x": random(*SHAPE[: rank + 2])},
        expected,
    )


@pytest.mark.parametrize("rank", [1, 2])
@pytest.mark.parametrize("pad_type", PADDINGS)
def test_l2_pool_gives_the_length_of_each_window(rank, pad_type):
    layout = PADDINGS[pad_type][:rank], SIZES[:rank], STRIDES[:rank]
    check_operator(
        lambda x: mb.l2_pool(x=x, **arguments(pad_type, rank)),
        {"x": random(*SHAPE[: rank + 2])},
        lambda x: windows_of(x, *layout).norm(dim=-1),
    )


def test_pools_take_every_window_by_default():
    check_operator(
        lambda x: [
            pool(x=x, kernel_sizes=[2], pad_type="valid")
            for pool in (mb.avg_pool, mb.l2_pool, mb.max_pool)
        ],
        {"x": random(1, 2, 5)},
        lambda x: [
            (x[..., :-1] + x[..., 1:]) / 2,
            (x[..., :-1].square() + x[..., 1:].square()).sqrt(),
            torch.maximum(x[..., :-1], x[..., 1:]),
        ],
        "iOS15",
    )


def test_pools_ignore_pad_unless_its_type_is_custom():
    check_operator(
        lambda x: mb.max_pool(x=x, kernel_sizes=[2], pad_type="valid", pad=[1, 1]),
        {"x": random(1, 2, 5)},
        lambda x: torch.maximum(x[..., :-1], x[..., 1:]),
    )


def test_avg_pool_pads_by_more_than_half_a_window():
    check_operator(
        lambda x: mb.avg_pool(x=x, kernel_sizes=[3], pad_type="custom", pad=[2, 2]),
        {"x": random(1, 2, 4)},
        lambda x: windows_of(x, [(2, 2)], [3], [1]).mean(-1),
    )


def ceil_windows(x, size, stride, before, count, value):
    """Return ``count`` windows. The last one reaches beyond the padding, where the values are NaN."""
    outside = max(0, (count - 1) * stride + size - x.shape[-1] - 2 * before)
    x = torch.nn.functional.pad(x, (before, before), value=value)
    return windows_of(x, [(0, outside)], [size], [stride], value=math.nan)


@pytest.mark.parametrize(
    ("length", "size", "stride", "before", "count"),
    [(6, 3, 2, 0, 3), (7, 3, 2, 0, 3), (6, 3, 2, 1, 4), (5, 2, 2, 1, 3), (8, 4, 3, 2, 4)],
)
def test_ceil_mode_keeps_a_last_window_that_begins_before_the_end(
    length, size, stride, before, count
):
    options = {
        "kernel_sizes": [size],
        "strides": [stride],
        "pad_type": "custom",
        "pad": [before, before],
        "ceil_mode": True,
    }

    def expected(x):
        with_zeros = ceil_windows(x, size, stride, before, count, 0.0)
        without_padding = ceil_windows(x, size, stride, before, count, math.nan)
        return [
            with_zeros.nanmean(-1),
            without_padding.nanmean(-1),
            without_padding.square().nansum(-1).sqrt(),
            without_padding.nan_to_num(-math.inf).amax(-1),
        ]

    check_operator(
        lambda x: [
            mb.avg_pool(x=x, **options),
            mb.avg_pool(x=x, exclude_padding_from_average=True, **options),
            mb.l2_pool(x=x, **options),
            mb.max_pool(x=x, **options),
        ],
        {"x": random(2, 3, length)},
        expected,
    )


def test_ceil_mode_in_two_dimensions():
    def expected(x):
        rows = x.unfold(2, 2, 3)  # of 5: two windows, both whole
        whole, cut = rows[..., 0:3, :], rows[..., 3:4, :]  # of 4 by threes: one, and one value
        return torch.cat((whole.amax((3, 4), keepdim=True), cut.amax((3, 4), keepdim=True)), 3)[
            ..., 0
        ]

    check_operator(
        lambda x: mb.max_pool(
            x=x, kernel_sizes=[2, 3], strides=[3, 3], pad_type="valid", ceil_mode=True
        ),
        {"x": random(1, 2, 5, 4)},
        expected,
    )


def test_max_pool_passes_infinities():
    inputs = {"x": np.float32([[[-np.inf, -np.inf, 1, np.inf]]])}
    model = build_model(lambda x: mb.max_pool(x=x, kernel_sizes=[2], pad_type="valid"), inputs)
    (largest,) = run_model(model, inputs)
    np.testing.assert_array_equal(largest, [[[-np.inf, 1, np.inf]]])


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"pad_type": "reflect"}, "pad_type 'reflect': expected one of"),
        ({"kernel_sizes": [2, 2]}, "kernel_sizes has 2 values: expected 1"),
        ({"strides": [1, 1]}, "strides has 2 values: expected 1"),
        ({"pad_type": "custom", "pad": [1]}, "pad has 1 values: expected 2"),
        ({"pad_type": "same", "ceil_mode": True}, "ceil_mode with pad_type 'same'"),
        ({"pad_type": "custom", "pad": [0, 1], "ceil_mode": True}, r"padding \[\(0, 1\)\]"),
        ({"pad_type": "custom", "pad": [2, 2], "ceil_mode": True}, "half a window at most"),
        ({"strides": [4], "kernel_sizes": [1], "ceil_mode": True}, "one is wholly beyond 4 values"),
    ],
)
@pytest.mark.parametrize("pool", [avg_pool, l2_pool, max_pool])
def test_pools_refuse_what_core_ml_refuses(pool, options, complaint):
    if pool is l2_pool:
        complaint = complaint.replace("[2, 2]", "").split(" has ")[0].split(r" \[")[0]
    with pytest.raises(OperationError, match=complaint):
        pool(torch.ones(1, 1, 4), **{"kernel_sizes": [2], "pad_type": "valid"} | options)


@pytest.mark.parametrize("pad", [[2, 0], [0, 2]])
def test_windows_of_padding_alone_are_refused(pad):
    options = {"kernel_sizes": [2], "pad_type": "custom", "pad": pad}
    with pytest.raises(OperationError, match="one contains only padding"):
        max_pool(torch.ones(1, 1, 4), **options)
    with pytest.raises(OperationError, match="one contains only padding"):
        avg_pool(torch.ones(1, 1, 4), exclude_padding_from_average=True, **options)
