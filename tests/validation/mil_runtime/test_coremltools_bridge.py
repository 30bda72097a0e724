"""coremltools' own models predict with this runtime."""

import asyncio
import logging

import coremltools as ct
import coremltools.models.model as coremltools_model
import coremltools.optimize.coreml as cto
import numpy as np
import pytest
from coremltools.converters.mil.mil import Builder as mb
from coremltools.models.ml_program.experimental.debugging_utils import (
    MLModelComparator,
    MLModelInspector,
    MLModelValidator,
)
from coremltools.models.ml_program.experimental.perf_utils import MLModelBenchmarker

from validation import mil_runtime


@pytest.fixture
def installed():
    mil_runtime.install()
    yield
    mil_runtime.uninstall()


WEIGHT = np.random.default_rng(0).normal(0, 0.1, (8, 4, 3, 3)).astype(np.float32)
IMAGE = np.random.default_rng(1).normal(size=(1, 4, 16, 16)).astype(np.float32)


def convert(program, precision=ct.precision.FLOAT32, **options):
    return ct.convert(
        program,
        convert_to="mlprogram",
        compute_precision=precision,
        minimum_deployment_target=ct.target.iOS17,
        **options,
    )


def small_network(precision=ct.precision.FLOAT32):
    @mb.program(input_specs=[mb.TensorSpec(IMAGE.shape)], opset_version=ct.target.iOS17)
    def program(x):
        convolved = mb.conv(x=x, weight=WEIGHT, name="convolved")
        rectified = mb.relu(x=convolved, name="rectified")
        return mb.exp(x=rectified, name="grown")

    return convert(program, precision)


def test_predict_works_until_it_is_undone():
    assert coremltools_model._MLModelProxy is None
    with pytest.raises(Exception, match="macOS|Core ML"):
        small_network().predict({"x": IMAGE})
    mil_runtime.install()
    outputs = small_network().predict({"x": IMAGE})
    mil_runtime.uninstall()
    assert outputs["grown"].shape == (1, 8, 14, 14)
    assert coremltools_model._MLModelProxy is None
    with pytest.raises(Exception, match="macOS|Core ML"):
        small_network().predict({"x": IMAGE})


@pytest.mark.usefixtures("installed")
def test_predictions_are_the_runtimes_own():
    model = small_network()
    direct = mil_runtime.load(model).predict({"x": IMAGE})
    np.testing.assert_array_equal(model.predict({"x": IMAGE})["grown"], direct["grown"])
    first, second = model.predict([{"x": IMAGE}, {"x": -IMAGE}])
    np.testing.assert_array_equal(first["grown"], direct["grown"])
    assert not np.array_equal(first["grown"], second["grown"])
    assert model.load_duration_in_nano_seconds > 0
    assert model.last_predict_duration_in_nano_seconds > 0


@pytest.mark.usefixtures("installed")
def test_bad_input_is_the_error_that_core_ml_raises():
    with pytest.raises(RuntimeError, match=r"shape \[1, 4, 8, 8\], expected .* \[1, 4, 16, 16\]"):
        small_network().predict({"x": IMAGE[..., :8, :8]})


@pytest.mark.usefixtures("installed")
def test_numerics_are_those_of_the_installation():
    mil_runtime.uninstall()
    mil_runtime.install("float64")
    assert small_network().predict({"x": IMAGE})["grown"].dtype == np.float64


@pytest.mark.usefixtures("installed")
def test_installing_twice_is_refused():
    with pytest.raises(mil_runtime.InstallError, match="already installed"):
        mil_runtime.install()


def test_undoing_nothing_is_refused():
    with pytest.raises(mil_runtime.InstallError, match="not installed: call install"):
        mil_runtime.uninstall()


def test_real_core_ml_is_left_in_place_unless_forced(monkeypatch):
    core_ml = object()
    monkeypatch.setattr(coremltools_model, "_MLModelProxy", core_ml)
    with pytest.raises(mil_runtime.InstallError, match="force=True"):
        mil_runtime.install()
    assert coremltools_model._MLModelProxy is core_ml
    mil_runtime.install(force=True)
    assert coremltools_model._MLModelProxy is not core_ml
    mil_runtime.uninstall()
    assert coremltools_model._MLModelProxy is core_ml


@pytest.mark.usefixtures("installed")
def test_state_lives_in_coremltools_states():
    @mb.program(
        input_specs=[
            mb.TensorSpec((2,)),
            mb.StateTensorSpec((2,), dtype=ct.converters.mil.mil.types.fp16),
        ],
        opset_version=ct.target.iOS18,
    )
    def program(x, total):
        grown = mb.add(x=mb.read_state(input=total), y=mb.cast(x=x, dtype="fp16"))
        return mb.coreml_update_state(state=total, value=grown)

    model = ct.convert(program, convert_to="mlprogram", minimum_deployment_target=ct.target.iOS18)
    state = model.make_state()
    for expected in (1, 2, 3):
        (output,) = model.predict({"x": np.ones(2, np.float32)}, state).values()
        np.testing.assert_array_equal(output, [expected] * 2)
    np.testing.assert_array_equal(state.read_state("total"), [3, 3])
    state.write_state("total", np.array([10, 20], np.float16))
    (output,) = model.predict({"x": np.ones(2, np.float32)}, state).values()
    np.testing.assert_array_equal(output, [11, 21])
    assert not model.make_state().read_state("total").any()


# coremltools' tools on top of predict


@pytest.mark.usefixtures("installed")
def test_inspector_retrieves_intermediate_outputs():
    async def inspect():
        inspector = MLModelInspector(small_network())
        found = {}
        async for name, value in inspector.inspect(inputs={"x": IMAGE}):
            found[name] = value
        return found

    found = asyncio.run(inspect())
    assert {"convolved", "rectified", "grown"} <= found.keys()
    np.testing.assert_array_equal(found["rectified"], found["convolved"].clip(0))
    np.testing.assert_allclose(found["grown"], np.exp(found["rectified"]), rtol=1e-5)


@pytest.mark.usefixtures("installed")
def test_comparator_finds_where_float16_differs():
    async def compare():
        comparator = MLModelComparator(
            reference_model=small_network(), target_model=small_network(ct.precision.FLOAT16)
        )
        return await comparator.find_failing_ops(
            inputs={"x": IMAGE},
            compare_outputs=lambda operation, reference, target: np.array_equal(reference, target),
        )

    (failing,) = asyncio.run(compare())
    assert failing.outputs[0].name == "convolved"


@pytest.mark.usefixtures("installed")
def test_validator_finds_the_operation_that_overflows():
    async def validate():
        validator = MLModelValidator(small_network())
        return await validator.find_failing_ops_with_infinite_output(inputs={"x": IMAGE * 1e4})

    failing = asyncio.run(validate())
    assert [operation.outputs[0].name for operation in failing] == ["grown"]


@pytest.mark.usefixtures("installed")
def test_benchmarker_times_loading_and_predicting():
    async def benchmark():
        benchmarker = MLModelBenchmarker(small_network())
        load = await benchmarker.benchmark_load(iterations=2)
        predict = await benchmarker.benchmark_predict(iterations=3)
        return load, predict

    load, predict = asyncio.run(benchmark())
    assert len(load.samples) == 2 and load.statistics.minimum > 0
    assert len(predict.samples) == 3 and predict.statistics.minimum > 0


@pytest.mark.usefixtures("installed")
def test_activations_are_calibrated_and_quantized(caplog):
    caplog.set_level(logging.ERROR)
    model = small_network(ct.precision.FLOAT16)
    config = cto.OptimizationConfig(
        global_config=cto.OpLinearQuantizerConfig(mode="linear_symmetric")
    )
    # Widest last: coremltools 9.0 keeps the range of the last sample only.
    samples = [{"x": IMAGE / 2}, {"x": IMAGE}]
    quantized = cto.linear_quantize_activations(model, config, samples)
    kinds = {operation.kind for operation in mil_runtime.load(quantized).function.block.operations}
    assert {"quantize", "dequantize"} <= kinds
    wanted = np.log(model.predict({"x": IMAGE})["grown"])
    actual = np.log(quantized.predict({"x": IMAGE})["grown"])
    assert 0 < np.abs(actual - wanted).max() < 0.05 * wanted.max()
