"""Building small ML Programs with coremltools, running them in ``mil_runtime``, and checking their results."""

from collections.abc import Callable, Mapping

import coremltools as ct
import numpy as np
import torch
from coremltools.converters.mil import mil
from coremltools.converters.mil.mil import Builder as mb
from coremltools.converters.mil.mil import Function, types
from coremltools.models import MLModel

from validation import mil_runtime

TARGETS = {
    "iOS15": ct.target.iOS15,
    "iOS16": ct.target.iOS16,
    "iOS17": ct.target.iOS17,
    "iOS18": ct.target.iOS18,
    "iOS26": ct.target.iOS26,
}
FLOAT64_TOLERANCE = 1e-10  # of the largest value: float64's own rounding
FLOAT32_TOLERANCE = 1e-5  # of the largest value, for sums of some hundred terms
# The largest difference from the exact result, in float16 steps at that result. Most results are the
# nearest float16 number, at most half a step away. Where terms cancel in float32, as in a tail of
# GELU's tanh or in upsampling, the result is a neighbor of it, up to 0.94 steps farther, as measured.
# The hundredth is for the rounding of float32.
FLOAT16_STEPS = 1.01

Arrays = Mapping[str, np.ndarray]


def build_model(
    build: Callable, inputs: Arrays, opset: str = "iOS18", precision: str = "float32"
) -> MLModel:
    """Return a model whose ``main`` is exactly ``build(**inputs)``, without any optimization.

    ``build`` takes the inputs as MIL variables and returns one variable, or several. Integers become
    int32 inputs, all other arrays float32 inputs. With the precision "float16" the program casts its
    float32 inputs to fp16 at the start, and its fp16 outputs to float32 at the end.
    """
    placeholders = {
        name: mb.placeholder(
            array.shape, types.int32 if np.asarray(array).dtype.kind in "iub" else types.fp32
        )
        for name, array in inputs.items()
    }
    program = mil.Program()
    with Function(placeholders, opset_version=TARGETS[opset]) as function:
        variables = dict(function.inputs)
        if precision == "float16":
            variables = {name: _cast(v, types.fp32, "fp16") for name, v in variables.items()}
        outputs = build(**variables)
        outputs = outputs if isinstance(outputs, (tuple, list)) else [outputs]
        function.set_outputs([_cast(output, types.fp16, "fp32") for output in outputs])
        program.add_function("main", function)
    return ct.convert(
        program,
        source="milinternal",
        convert_to="mlprogram",
        compute_precision=ct.precision.FLOAT32,
        minimum_deployment_target=TARGETS[opset],
        pass_pipeline=ct.PassPipeline.EMPTY,
        skip_model_load=True,
    )


def constant(values, like) -> np.ndarray:
    """Return a constant of the same floating-point type as the variable ``like``."""
    return np.array(values, np.float16 if like.dtype == types.fp16 else np.float32)[()]


def run_model(model: MLModel, inputs: Arrays, numerics: str = "declared") -> list[np.ndarray]:
    """Return the outputs of a model, in the order of its function."""
    program = mil_runtime.load(model, numerics)
    outputs = program.predict(dict(inputs))
    return [outputs[name] for name in program.function.block.outputs]


def check_operator(
    build: Callable,
    inputs: Arrays,
    expected: Callable,
    opset: str = "iOS18",
    float32_tolerance: float = FLOAT32_TOLERANCE,
) -> None:
    """Check an operator against float64 arithmetic, in every kind of numerics.

    ``expected`` takes the inputs as torch tensors, integers unchanged and all others in float64. It
    returns the right outputs of ``build``: one tensor, or several. Three runs are checked:

    - numerics "float64", within FLOAT64_TOLERANCE;
    - numerics "declared" of a float32 program, within ``float32_tolerance``;
    - numerics "declared" of a float16 program, within FLOAT16_STEPS of the exact result for inputs
      that are rounded to float16.
    """
    exact = _expect(expected, inputs)
    model = build_model(build, inputs, opset)
    _assert_close(run_model(model, inputs, "float64"), exact, FLOAT64_TOLERANCE)
    _assert_close(run_model(model, inputs, "declared"), exact, float32_tolerance)

    halved = {name: _to_half(array) for name, array in inputs.items()}
    model = build_model(build, inputs, opset, "float16")
    for actual, wanted in zip(run_model(model, halved), _expect(expected, halved), strict=True):
        assert_within_a_step(actual, wanted)


def assert_within_a_step(actual: np.ndarray, exact: np.ndarray) -> None:
    """Check that values are within FLOAT16_STEPS of the exact ones, and infinite beyond float16's range."""
    assert actual.shape == exact.shape
    if exact.dtype.kind != "f":
        np.testing.assert_array_equal(actual, exact)
        return
    with np.errstate(over="ignore"):  # beyond float16's range the nearest number is infinity
        nearest = exact.astype(np.float16)
    finite = np.isfinite(nearest)
    np.testing.assert_array_equal(actual[~finite], nearest[~finite])
    step = np.spacing(np.abs(nearest[finite])).astype(np.float64)
    difference = np.abs(actual[finite].astype(np.float64) - exact[finite])
    assert np.all(difference <= FLOAT16_STEPS * step), difference.max()


def _assert_close(actual: list[np.ndarray], exact: list[np.ndarray], tolerance: float) -> None:
    assert len(actual) == len(exact)
    for got, wanted in zip(actual, exact, strict=True):
        if wanted.dtype.kind != "f":
            np.testing.assert_array_equal(got, wanted)
            continue
        finite = np.abs(wanted[np.isfinite(wanted)])
        scale = max(finite.max(initial=0.0), 1e-30)
        np.testing.assert_allclose(got, wanted, rtol=tolerance, atol=tolerance * scale)


def _expect(expected: Callable, inputs: Arrays) -> list[np.ndarray]:
    tensors = {}
    for name, array in inputs.items():
        tensor = torch.from_numpy(np.array(array))
        tensors[name] = tensor.double() if tensor.is_floating_point() else tensor
    results = expected(**tensors)
    results = results if isinstance(results, (tuple, list)) else [results]
    return [result.numpy() for result in results]


def _to_half(array: np.ndarray) -> np.ndarray:
    """Round floating-point values to float16, and return them in the type of the array."""
    return array.astype(np.float16).astype(array.dtype) if array.dtype.kind == "f" else array


def _cast(variable, from_type: type, to: str):
    return mb.cast(x=variable, dtype=to) if variable.dtype == from_type else variable
