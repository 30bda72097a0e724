from itertools import product

import numpy as np
import pytest
import torch
from coremltools.converters.mil.mil import Builder as mb

from tests.support.mil_programs import build_model, check_operator, run_model
from tests.support.sliding_windows import sliding_windows
from validation.mil_runtime.errors import OperationError
from validation.mil_runtime.operators.conv import conv, conv_quantized, conv_transpose

SIZES = (5, 4, 4)


def random(*shape, seed=0):
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def reference_conv(x, weight, padding, strides, dilations=None, groups=1, bias=None):
    """Convolve by multiplying every window with every filter, group by group."""
    windows = sliding_windows(x, weight.shape[2:], strides, padding, dilations)
    rank = x.dim() - 2
    results = []
    for part, filters in zip(windows.chunk(groups, 1), weight.chunk(groups, 0), strict=True):
        taps = list(range(2 + rank, 2 + 2 * rank))
        summed = torch.tensordot(part, filters, ([1, *taps], [1, *range(2, 2 + rank)]))
        results.append(summed.movedim(-1, 1))
    result = torch.cat(results, 1)
    return result if bias is None else result + bias.reshape(-1, *[1] * rank)


def reference_conv_transpose(
    x, weight, befores, sizes, strides, dilations=None, groups=1, bias=None
):
    """Add the filter of every input at its place, and cut out ``sizes`` from ``befores`` on, with zeros beyond."""
    rank = x.dim() - 2
    dilations = dilations or [1] * rank
    extents = [
        (length - 1) * stride + (taps - 1) * dilation + 1
        for length, stride, taps, dilation in zip(
            x.shape[2:], strides, weight.shape[2:], dilations, strict=True
        )
    ]
    room = [max(e, b + s) for e, b, s in zip(extents, befores, sizes, strict=True)]
    full = x.new_zeros(len(x), weight.shape[1] * groups, *room)
    for tap in product(*(range(taps) for taps in weight.shape[2:])):
        spread = torch.cat(
            [
                torch.einsum("ni...,io->no...", part, filters[(..., *tap)])
                for part, filters in zip(x.chunk(groups, 1), weight.chunk(groups, 0), strict=True)
            ],
            1,
        )
        where = tuple(
            slice(t * d, t * d + (length - 1) * stride + 1, stride)
            for t, d, length, stride in zip(tap, dilations, x.shape[2:], strides, strict=True)
        )
        full[(slice(None), slice(None), *where)] += spread
    cut = tuple(slice(b, b + s) for b, s in zip(befores, sizes, strict=True))
    result = full[(slice(None), slice(None), *cut)]
    return result if bias is None else result + bias.reshape(-1, *[1] * rank)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(
    ("padding", "groups", "has_bias"),
    [([(1, 1), (2, 2), (0, 0)], 1, False), ([(0, 2), (3, 1), (1, 1)], 2, True)],
)
def test_conv_takes_custom_padding(rank, padding, groups, has_bias):
    strides, dilations, padding = [2, 1, 3][:rank], [2, 1, 1][:rank], padding[:rank]
    weight = random(6, 4 // groups, *(3, 2, 2)[:rank], seed=1)
    bias = random(6, seed=2) if has_bias else None
    check_operator(
        lambda x: mb.conv(
            x=x,
            weight=weight,
            bias=bias,
            strides=strides,
            dilations=dilations,
            groups=groups,
            pad_type="custom",
            pad=np.ravel(padding),
        ),
        {"x": random(2, 4, *SIZES[:rank])},
        lambda x: reference_conv(
            x,
            torch.tensor(weight).double(),
            padding,
            strides,
            dilations,
            groups,
            None if bias is None else torch.tensor(bias).double(),
        ),
    )


def test_conv_by_default_neither_pads_nor_skips():
    weight = random(3, 2, 2, 3, seed=1)
    check_operator(
        lambda x: mb.conv(x=x, weight=weight),
        {"x": random(1, 2, 5, 6)},
        lambda x: reference_conv(x, torch.tensor(weight).double(), [(0, 0)] * 2, [1, 1]),
    )


@pytest.mark.parametrize(
    ("size", "taps", "stride", "dilation", "same", "same_lower"),
    [
        (5, 4, 1, 1, (1, 2), (2, 1)),
        (6, 3, 2, 1, (0, 1), (1, 0)),
        (7, 3, 2, 1, (1, 1), (1, 1)),
        (6, 2, 1, 3, (1, 2), (2, 1)),
        (7, 1, 3, 1, (0, 0), (0, 0)),
    ],
)
@pytest.mark.parametrize("pad_type", ["same", "same_lower"])
def test_conv_pads_for_as_many_results_as_strides(
    size, taps, stride, dilation, same, same_lower, pad_type
):
    weight = random(2, 2, taps, seed=1)
    padding = [same if pad_type == "same" else same_lower]

    def expected(x):
        result = reference_conv(x, torch.tensor(weight).double(), padding, [stride], [dilation])
        assert result.shape[2] == -(-size // stride)
        return result

    check_operator(
        lambda x: mb.conv(
            x=x, weight=weight, pad_type=pad_type, strides=[stride], dilations=[dilation]
        ),
        {"x": random(1, 2, size)},
        expected,
    )


@pytest.mark.parametrize("pad_type", ["same", "same_lower"])
def test_conv_pads_every_dimension_of_its_own_size(pad_type):
    weight = random(2, 2, 2, 3, 4, seed=1)
    upper = [(0, 1), (1, 1), (1, 2)]
    padding = upper if pad_type == "same" else [pair[::-1] for pair in upper]
    check_operator(
        lambda x: mb.conv(x=x, weight=weight, pad_type=pad_type),
        {"x": random(1, 2, 4, 5, 6)},
        lambda x: reference_conv(x, torch.tensor(weight).double(), padding, [1, 1, 1]),
    )


def test_conv_ignores_pad_unless_its_type_is_custom():
    weight = random(2, 2, 3, seed=1)
    check_operator(
        lambda x: mb.conv(x=x, weight=weight, pad_type="valid", pad=[5, 5]),
        {"x": random(1, 2, 6)},
        lambda x: reference_conv(x, torch.tensor(weight).double(), [(0, 0)], [1]),
    )


@pytest.mark.parametrize("opset", ["iOS15", "iOS18"])
def test_conv_takes_computed_weights(opset):
    check_operator(
        lambda x, weight: mb.conv(x=x, weight=weight, pad_type="same", groups=2),
        {"x": random(2, 4, 6, 5), "weight": random(6, 2, 3, 3, seed=1)},
        lambda x, weight: reference_conv(x, weight, [(1, 1)] * 2, [1, 1], groups=2),
        opset,
    )


def test_conv_takes_a_computed_bias():
    check_operator(
        lambda x, weight, bias: mb.conv(x=x, weight=weight, bias=bias),
        {"x": random(2, 2, 6), "weight": random(3, 2, 2, seed=1), "bias": random(3, seed=2)},
        lambda x, weight, bias: reference_conv(x, weight, [(0, 0)], [1], bias=bias),
        "iOS17",
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"pad_type": "reflect"}, "pad_type 'reflect': expected one of valid, custom, same"),
        ({"strides": [1]}, "strides has 1 values: expected 2"),
        ({"dilations": [1, 1, 1]}, "dilations has 3 values: expected 2"),
        ({"pad_type": "custom", "pad": [1, 1]}, "pad has 2 values: expected 4"),
        ({"weight": torch.ones(2, 2, 3)}, "weight has rank 3: expected 4"),
        ({"x": torch.ones(4, 4)}, "x has rank 2: expected 3 to 5"),
        ({"pad_type": "custom", "pad": [1 << 40, 0, 0, 0]}, "expected at most"),
    ],
)
def test_conv_refuses_what_core_ml_refuses(arguments, complaint):
    usual = {"x": torch.ones(1, 2, 4, 4), "weight": torch.ones(2, 2, 3, 3)}
    with pytest.raises(OperationError, match=complaint):
        conv(**usual | arguments)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize(
    ("pad_type", "groups", "has_bias"), [("valid", 2, False), ("custom", 1, True)]
)
def test_conv_transpose_reverses_a_conv(rank, groups, has_bias, pad_type):
    strides, dilations = [2, 1, 3][:rank], [1, 2, 1][:rank]
    given = [(1, 2), (0, 0), (2, 0)][:rank]
    padding = given if pad_type == "custom" else [(0, 0)] * rank
    weight = random(4, 3, *(4, 3, 3)[:rank], seed=1)
    bias = random(3 * groups, seed=2) if has_bias else None
    sizes = [
        (length - 1) * stride + (taps - 1) * dilation + 1 - sum(pair)
        for length, stride, taps, dilation, pair in zip(
            SIZES, strides, weight.shape[2:], dilations, padding, strict=False
        )
    ]
    check_operator(
        lambda x: mb.conv_transpose(
            x=x,
            weight=weight,
            bias=bias,
            strides=strides,
            dilations=dilations,
            groups=groups,
            pad_type=pad_type,
            pad=np.ravel(given),
        ),
        {"x": random(2, 4, *SIZES[:rank])},
        lambda x: reference_conv_transpose(
            x,
            torch.tensor(weight).double(),
            [before for before, _ in padding],
            sizes,
            strides,
            dilations,
            groups,
            None if bias is None else torch.tensor(bias).double(),
        ),
    )


@pytest.mark.parametrize(("taps", "stride", "before"), [(3, 1, 1), (4, 2, 1), (3, 2, 0), (1, 2, 0)])
def test_conv_transpose_same_gives_a_stride_for_each_input(taps, stride, before):
    weight, bias = random(2, 3, taps, seed=1), random(3, seed=2)
    check_operator(
        lambda x: mb.conv_transpose(
            x=x, weight=weight, bias=bias, pad_type="same", strides=[stride]
        ),
        {"x": random(1, 2, 5)},
        lambda x: reference_conv_transpose(
            x,
            torch.tensor(weight).double(),
            [before],
            [5 * stride],
            [stride],
            bias=torch.tensor(bias).double(),
        ),
    )


@pytest.mark.parametrize(
    ("pad_type", "pad", "size", "before"),
    [
        ("valid", None, 9, 0),
        ("valid", None, 10, 0),
        ("valid", None, 7, 0),
        ("custom", [1, 1], 8, 1),
        ("custom", [1, 1], 7, 1),
        ("custom", [2, 0], 8, 2),
        ("same", None, 7, 1),
        ("same", None, 8, 0),
    ],
)
def test_conv_transpose_gives_the_output_shape_asked_for(pad_type, pad, size, before):
    weight, bias = random(2, 3, 3, seed=1), random(3, seed=2)
    optional = {} if pad is None else {"pad": pad}
    check_operator(
        lambda x: mb.conv_transpose(
            x=x,
            weight=weight,
            bias=bias,
            pad_type=pad_type,
            strides=[2],
            output_shape=[1, 3, size],
            **optional,
        ),
        {"x": random(1, 2, 4)},
        lambda x: reference_conv_transpose(
            x,
            torch.tensor(weight).double(),
            [before],
            [size],
            [2],
            bias=torch.tensor(bias).double(),
        ),
    )


def test_conv_transpose_same_is_the_gradient_of_conv_same():
    weight = random(3, 2, 4, 3, seed=1)
    image = torch.zeros(1, 2, 7, 6, dtype=torch.float64, requires_grad=True)
    # Padding of "same" for sizes 7, 6 with strides 2, 2: totals 3, 1, the odd one after.
    windows = reference_conv(image, torch.tensor(weight).double(), [(1, 2), (0, 1)], [2, 2])
    check_operator(
        lambda x: mb.conv_transpose(
            x=x, weight=weight, pad_type="same", strides=[2, 2], output_shape=[1, 2, 7, 6]
        ),
        {"x": random(*windows.shape)},
        lambda x: torch.autograd.grad(windows, image, x, retain_graph=True)[0],
    )


def test_conv_transpose_takes_computed_weights():
    check_operator(
        lambda x, weight: mb.conv_transpose(x=x, weight=weight),
        {"x": random(1, 2, 3, 3), "weight": random(2, 3, 2, 2, seed=1)},
        lambda x, weight: reference_conv_transpose(x, weight, [0, 0], [4, 4], [1, 1]),
        "iOS17",
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"pad_type": "same_lower"}, "pad_type 'same_lower': expected one of valid, custom, same"),
        ({"output_shape": [1, 2, 5]}, r"output_shape \[1, 2, 5\]: expected 3 sizes that begin"),
        ({"output_shape": [1, 3, 5, 5]}, "expected 3 sizes that begin with"),
        ({"output_shape": [1, 3, 1 << 40]}, "expected at most"),
        ({"strides": [1 << 40]}, "expected at most"),
    ],
)
def test_conv_transpose_refuses_what_core_ml_refuses(arguments, complaint):
    with pytest.raises(OperationError, match=complaint):
        conv_transpose(torch.ones(1, 2, 4), torch.ones(2, 3, 3), **arguments)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("nbits", [8, 4])
def test_conv_quantized_scales_its_weights(nbits, per_channel):
    x = random(2, 4, 6)
    weight = np.random.default_rng(1).integers(0, 1 << nbits, (4, 2, 3)).astype(np.uint8)
    scale = random(4, seed=2) if per_channel else np.float32([0.25])
    offset = random(4, seed=3) if per_channel else np.float32([-3])
    model = build_model(
        lambda x: mb.conv_quantized(
            x=x,
            weight=weight,
            quantization_type="linear",
            nbits=nbits,
            quant_scale=scale,
            quant_bias=offset,
            groups=2,
            strides=[2],
            pad_type="same",
        ),
        {"x": x},
    )
    dequantized = weight * scale.astype(np.float64).reshape(-1, 1, 1) + offset.reshape(-1, 1, 1)
    expected = reference_conv(
        torch.tensor(x).double(), torch.tensor(dequantized), [(0, 1)], [2], groups=2
    ).numpy()
    (exact,) = run_model(model, {"x": x}, "float64")
    np.testing.assert_allclose(exact, expected, rtol=1e-10, atol=1e-10 * np.abs(expected).max())
    (declared,) = run_model(model, {"x": x})
    np.testing.assert_allclose(declared, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())


def test_conv_quantized_adds_its_bias():
    x, weight = torch.ones(1, 1, 3), torch.full((1, 1, 2), 2, dtype=torch.uint8)
    result = conv_quantized(
        *(x, weight, "linear", torch.tensor(0.5), torch.tensor(1.0)),
        bias=torch.tensor([7], dtype=torch.uint8),
    )
    assert result.tolist() == [[[11.0, 11.0]]]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"quantization_type": "lut"}, "quantization_type 'lut': expected 'linear'"),
        ({"nbits": 9}, "nbits 9: expected 1 to 8"),
        ({"nbits": 2}, r"weights below 2\^nbits; got 4"),
        ({"quant_scale": torch.ones(3)}, "quant_scale has 3 values: expected 1 or 2"),
        ({"quant_bias": torch.ones(3)}, "quant_bias has 3 values: expected 1 or 2"),
    ],
)
def test_conv_quantized_refuses_what_core_ml_refuses(arguments, complaint):
    usual = {
        "x": torch.ones(1, 1, 3),
        "weight": torch.full((2, 1, 2), 4, dtype=torch.uint8),
        "quantization_type": "linear",
        "quant_scale": torch.ones(1),
        "quant_bias": torch.zeros(1),
    }
    with pytest.raises(OperationError, match=complaint):
        conv_quantized(**usual | arguments)
