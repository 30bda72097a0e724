import numpy as np
import pytest
import torch
from coremltools.converters.mil.mil import Builder as mb
from coremltools.converters.mil.mil import types

from tests.support.mil_programs import build_model, check_operator, constant, run_model
from validation.mil_runtime.errors import OperationError

X = np.random.default_rng(0).integers(-40, 40, (2, 3, 4)).astype(np.float32) / 8
SCALES = [0.25, 0.5, 2.0]  # powers of two: halves are exact, and so is where they are rounded
DTYPES = {"int8": (-128, 127), "uint8": (0, 255)}


def quantized(x, scale, zero_point, dtype):
    """Quantize in real numbers, with ``round``, which rounds halves to even."""
    low, high = DTYPES[dtype]
    return torch.from_numpy(np.clip(np.rint((x / scale).numpy()) + zero_point, low, high)).int()


def quantize(x, dtype, **parameters):
    return mb.cast(x=mb.quantize(input=x, output_dtype=dtype, **parameters), dtype="int32")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("zero_point", [None, 5, 120])
def test_quantize_takes_one_scale(dtype, zero_point):
    chosen = {} if zero_point is None else {"zero_point": np.dtype(dtype).type(zero_point)}
    check_operator(
        lambda x: quantize(x, dtype, scale=constant(0.25, x), **chosen),
        {"x": X},
        lambda x: quantized(x, 0.25, zero_point or 0, dtype),
        "iOS17",
    )


@pytest.mark.parametrize("axis", [1, -2])
@pytest.mark.parametrize("dtype", DTYPES)
def test_quantize_takes_scales_along_an_axis(axis, dtype):
    zero_points = np.array([0, 3, 100], dtype)

    def build(x):
        return quantize(
            x, dtype, scale=constant(SCALES, x), zero_point=zero_points, axis=np.int32(axis)
        )

    scale = torch.tensor(SCALES, dtype=torch.float64)[:, None]
    shift = zero_points.astype(int)[:, None]
    check_operator(build, {"x": X}, lambda x: quantized(x, scale, shift, dtype))


def test_quantize_rounds_halves_to_even_and_keeps_to_its_range():
    x = np.array([-1e9, -1.5, -0.5, 0.5, 1.5, 2.5, 1e9], np.float32)
    model = build_model(lambda x: quantize(x, "int8", scale=np.float32(1)), {"x": x}, "iOS17")
    (actual,) = run_model(model, {"x": x})
    np.testing.assert_array_equal(actual, [-128, -2, 0, 0, 2, 2, 127])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("zero_point", [None, 100])
def test_dequantize_takes_one_scale(dtype, zero_point):
    q = np.arange(*DTYPES[dtype], 13, dtype=np.int32)
    shift = zero_point or 0

    def build(x, q):
        chosen = {} if zero_point is None else {"zero_point": np.dtype(dtype).type(zero_point)}
        steps = mb.cast(x=q, dtype=dtype)
        return mb.add(x=x, y=mb.dequantize(input=steps, scale=constant(0.25, x), **chosen))

    inputs = {"x": np.zeros(1, np.float32), "q": q}
    check_operator(build, inputs, lambda x, q: (q.double() - shift) * 0.25, "iOS17")


@pytest.mark.parametrize("axis", [1, -2])
def test_dequantize_takes_scales_along_an_axis(axis):
    q = np.random.default_rng(0).integers(-128, 128, (2, 3, 4)).astype(np.int32)
    zero_points = np.array([-128, 0, 127], np.int8)

    def build(x, q):
        steps = mb.cast(x=q, dtype="int8")
        scale = constant([0.1, 0.5, 3.0] if x.dtype == types.fp32 else SCALES, x)
        return mb.mul(
            x=x,
            y=mb.dequantize(input=steps, scale=scale, zero_point=zero_points, axis=np.int32(axis)),
        )

    def expected(x, q):
        scales = SCALES if halved else np.float32([0.1, 0.5, 3.0])
        scale = torch.tensor(np.array(scales, float))[:, None]
        return (q - torch.from_numpy(zero_points.astype(int))[:, None]) * scale

    halved = False
    inputs = {"x": np.ones(1, np.float32), "q": q}
    (actual,) = run_model(build_model(build, inputs, "iOS17"), inputs, "float64")
    np.testing.assert_allclose(actual, expected(None, torch.from_numpy(q)), rtol=1e-12)
    halved = True
    (actual,) = run_model(build_model(build, inputs, "iOS17", "float16"), inputs)
    np.testing.assert_array_equal(actual, expected(None, torch.from_numpy(q)))


def test_quantize_refuses_a_scale_that_does_not_fit():
    x = np.zeros((2, 3), np.float32)
    model = build_model(
        lambda x: quantize(x, "int8", scale=np.ones(3, np.float32), axis=np.int32(1)), {"x": x}
    )
    block = next(iter(model._spec.mlProgram.functions["main"].block_specializations.values()))
    axis = next(item for item in block.operations if item.outputs[0].name.endswith("axis_0"))
    axis.attributes["val"].immediateValue.tensor.ints.values[0] = 0
    with pytest.raises(OperationError, match=r"scale of shape \[3\], axis 0"):
        run_model(model, {"x": x})
