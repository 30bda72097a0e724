"""Pipelines of ML Programs, made by coremltools' own tools, run stage by stage."""

import coremltools as ct
import numpy as np
import pytest
import torch
from coremltools.converters.mil.mil import Builder as mb
from PIL import Image

from tests.support.mil_programs import build_model
from tests.support.traced_models import convert_traced, only, tensor
from validation import mil_runtime
from validation.mil_runtime import InputError, MilRuntimeError, ModelError

X = np.array([[1.0, -2.0, 3.0]], np.float32)
WEIGHT = np.random.default_rng(0).normal(0, 1, (3, 40)).astype(np.float32)  # enough for a file


def stage(compute, takes, gives, shape=(1, 3), **options):
    return convert_traced(
        compute, [tensor(name, shape) for name in takes], [ct.TensorType(gives)], **options
    )


def project(x):
    return x @ torch.from_numpy(WEIGHT)


@pytest.fixture(scope="module")
def three_stages():
    """A pipeline that computes x → h → y, and z from h and from another input."""
    return ct.utils.make_pipeline(
        stage(project, "x", "h"),
        stage(torch.relu, "h", "y", (1, 40)),
        stage(lambda h, w: h * w, "hw", "z", (1, 40)),
    )


W = np.full((1, 40), 2.0, np.float32)


def test_stages_pass_values_on_by_name(three_stages, tmp_path):
    path = tmp_path / "pipeline.mlpackage"
    three_stages.save(str(path))
    for source in (three_stages, path):
        pipeline = mil_runtime.load(source)
        assert (list(pipeline.inputs), list(pipeline.outputs)) == (["x", "w"], ["z", "y"])
        assert len(pipeline.stages) == 3
        outputs = pipeline.predict({"x": X, "w": W}, intermediates=["h"])
        hidden = outputs.intermediates["h"]
        np.testing.assert_allclose(hidden, X @ WEIGHT, rtol=1e-5)
        np.testing.assert_array_equal(outputs["y"], hidden.clip(0))
        np.testing.assert_array_equal(outputs["z"], 2 * hidden)


@pytest.mark.parametrize(("numerics", "error"), [("float64", 1e-12), ("float32", 1e-5)])
def test_numerics_hold_from_the_first_stage_to_the_last(three_stages, numerics, error):
    pipeline = mil_runtime.load(three_stages, numerics)
    outputs = pipeline.predict({"x": X, "w": W})
    assert (pipeline.numerics, outputs.numerics) == (numerics, numerics)
    exact = X.astype(np.float64) @ WEIGHT.astype(np.float64)
    np.testing.assert_allclose(outputs["z"], 2 * exact, rtol=error)


def test_an_observer_sees_every_stage(three_stages):
    kinds = []
    mil_runtime.load(three_stages).predict(
        {"x": X, "w": W}, observer=lambda operation, *_: kinds.append(operation.kind)
    )
    assert kinds == ["linear", "relu", "mul"]


def test_what_the_pipeline_does_not_take(three_stages):
    pipeline = mil_runtime.load(three_stages)
    for data, message in (
        ({"x": X}, r"^input 'w' is missing: expected fp32 of shape \[1, 40\]$"),
        ({"x": X, "w": W, "h": W}, "^input 'h': the model takes 'x': fp32"),
        ({"x": X.T, "w": W}, r"^input 'x': an array of shape \[3, 1\], expected"),
        (X, "^a ndarray: expected a dict of 'x'"),
    ):
        with pytest.raises(InputError, match=message):
            pipeline.predict(data)
    with pytest.raises(InputError, match="the pipeline has no value named g, i"):
        pipeline.predict({"x": X, "w": W}, intermediates=["i", "h", "g"])


def test_a_bisected_model_gives_what_the_whole_one_gave(tmp_path):
    def network(x):
        for index in range(4):
            x = mb.relu(x=mb.matmul(x=x, y=WEIGHT @ WEIGHT.T, name=f"m{index}"), name=f"r{index}")
        return x

    whole = tmp_path / "whole.mlpackage"
    build_model(network, {"x": X}).save(str(whole))
    ct.models.utils.bisect_model(
        str(whole), str(tmp_path), merge_chunks_to_pipeline=True, check_output_correctness=False
    )
    pipeline = mil_runtime.load(tmp_path / "whole_chunked_pipeline.mlpackage")
    assert len(pipeline.stages) == 2
    expected = mil_runtime.load(whole).predict({"x": X})
    np.testing.assert_allclose(only(pipeline.predict({"x": X})), only(expected), rtol=1e-5)


@pytest.mark.parametrize("layout", ["RGB", "BGR", "GRAYSCALE"])
def test_pictures_pass_from_stage_to_stage(layout):
    channels = 1 if layout == "GRAYSCALE" else 3
    layout = ct.colorlayout[layout]

    def part(compute, takes, gives):
        shape = (1, channels, 4, 6)
        return convert_traced(
            compute,
            [ct.ImageType(takes, shape=shape, color_layout=layout)],
            [ct.ImageType(gives, color_layout=layout)],
        )

    model = ct.utils.make_pipeline(
        part(lambda x: x * 0.5, "x", "h"), part(lambda h: h + 3.0, "h", "y")
    )
    pixels = np.random.default_rng(0).integers(0, 128, (4, 6, channels), np.uint8) * 2
    pixels = pixels[..., 0] if channels == 1 else pixels
    output = mil_runtime.load(model).predict({"x": Image.fromarray(pixels)})["y"]
    values = np.asarray(output) if channels == 1 else np.asarray(output)[..., :3]
    np.testing.assert_array_equal(values, pixels // 2 + 3)


def test_flexible_shapes_pass_from_stage_to_stage():
    def part(takes, gives, upper):
        return stage(lambda x: x * 2, takes, gives, ct.Shape((1, ct.RangeDim(2, upper))))

    pipeline = mil_runtime.load(ct.utils.make_pipeline(part("x", "h", 9), part("h", "y", 5)))
    np.testing.assert_array_equal(only(pipeline.predict({"x": np.ones((1, 5))})), [[4] * 5])
    with pytest.raises(InputError, match=r"^stage 2 of the pipeline: input 'h': Size \(6\) of dim"):
        pipeline.predict({"x": np.ones((1, 6))})


def test_an_optional_input_of_a_later_stage_may_be_left_out():
    second = convert_traced(
        lambda h, w: h + w,
        [tensor("h"), tensor("w", default_value=np.full((1, 3), 0.5, np.float32))],
        [ct.TensorType("y")],
    )
    pipeline = mil_runtime.load(ct.utils.make_pipeline(stage(lambda x: x * 2, "x", "h"), second))
    np.testing.assert_array_equal(pipeline.predict({"x": X})["y"], 2 * X + 0.5)
    np.testing.assert_array_equal(pipeline.predict({"x": X, "w": X})["y"], 3 * X)


def nested(outer):
    """Return the pipeline ``outer`` with its first stage replaced by a pipeline of one model."""
    inner = ct.proto.Model_pb2.Model()
    first = outer._spec.pipeline.models[0]
    inner.specificationVersion = first.specificationVersion
    inner.description.CopyFrom(first.description)
    inner.pipeline.models.append(first)
    first.CopyFrom(inner)
    return outer


def two_stages():
    return ct.utils.make_pipeline(
        stage(project, "x", "h"), stage(lambda h: h * 2, "h", "y", (1, 40))
    )


def test_a_pipeline_may_hold_another():
    pipeline = mil_runtime.load(nested(two_stages()))
    assert len(pipeline.stages[0].stages) == 1
    outputs = pipeline.predict({"x": X}, intermediates=["h"])
    np.testing.assert_array_equal(outputs["y"], 2 * outputs.intermediates["h"])


def test_stages_run_alone_as_the_docs_show(three_stages):
    stages = three_stages.get_spec().pipeline.models
    first = ct.models.MLModel(stages[0], weights_dir=three_stages.weights_dir, skip_model_load=True)
    np.testing.assert_allclose(mil_runtime.load(first).predict({"x": X})["h"], X @ WEIGHT, 1e-5)


def test_coremltools_own_predict_runs_pipelines(three_stages, tmp_path):
    path = tmp_path / "pipeline.mlpackage"
    three_stages.save(str(path))
    mil_runtime.install()
    try:
        model = ct.models.MLModel(str(path))
        direct = mil_runtime.load(path).predict({"x": X, "w": W})
        np.testing.assert_array_equal(model.predict({"x": X, "w": W})["z"], direct["z"])
        batch = model.predict([{"x": X, "w": W}, {"x": -X, "w": W}])
        np.testing.assert_array_equal(batch[1]["z"], -batch[0]["z"])
        with pytest.raises(RuntimeError, match=r"input 'x': an array of shape \[3, 1\]"):
            model.predict({"x": X.T, "w": W})
    finally:
        mil_runtime.uninstall()


# What does not fit together


def refuse(model, message):
    with pytest.raises(ModelError, match=message) as caught:
        mil_runtime.load(model)
    assert "\n" not in str(caught.value)


def test_stages_that_are_no_ml_programs_are_refused_with_a_remedy_that_helps():
    network = ct.convert(
        torch.jit.trace(torch.nn.ReLU(), torch.ones(1, 40)),
        inputs=[tensor("h", (1, 40))],
        convert_to="neuralnetwork",
    )
    model = ct.utils.make_pipeline(stage(project, "x", "h"), network)
    refuse(model, "stage 2 of the pipeline: is a neuralNetwork, .*make the pipeline again")
    model._spec.pipeline.models[1].nonMaximumSuppression.iouThreshold = 0.5
    refuse(model, "stage 2 of .* is a nonMaximumSuppression, .*run the pipeline's ML Programs one")
    model._spec.pipeline.models[1].ClearField("nonMaximumSuppression")
    refuse(model, "stage 2 of the pipeline: holds no model")


def test_a_model_that_only_a_mac_runs_is_not_to_be_converted_again():
    model = two_stages()
    model._spec.nonMaximumSuppression.iouThreshold = 0.5
    refuse(model, "is a nonMaximumSuppression, .*; models of this kind run on a Mac only$")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda spec: setattr(spec.pipeline.models[0].description.output[0], "name", "g"),
            "promises g, which",
        ),
        (
            lambda spec: spec.description.input.pop(),
            "stage 1 of the pipeline takes 'x', which is neither an input of the pipeline nor",
        ),
        (
            lambda spec: spec.pipeline.models.reverse(),
            "stage 1 of the pipeline takes 'h', which is neither",
        ),
        (
            lambda spec: setattr(spec.description.output[0], "name", "q"),
            "the pipeline gives 'q', which is neither",
        ),
        (
            lambda spec: spec.description.output[0].type.multiArrayType.shape.append(1),
            r"the pipeline gives 'y' as fp32 of shape \[1, 40, 1\], but it was described as fp32",
        ),
        (
            lambda spec: (
                spec.pipeline.models[0]
                .description.output[0]
                .type.multiArrayType.ClearField("shape")
            ),
            r"stage 2 of the pipeline takes 'h' as fp32 of shape \[1, 40\], but it was .* shape any",
        ),
        (lambda spec: spec.pipeline.ClearField("models"), "the pipeline has no models"),
        (
            lambda spec: setattr(spec.pipeline.models[1], "specificationVersion", 99),
            "stage 2 of the pipeline: is of specification version 99",
        ),
    ],
)
def test_models_that_do_not_meet(change, message):
    model = two_stages()
    change(model._spec)
    refuse(model, message)


def test_types_must_meet_as_core_ml_wants_them_to():
    half = stage(lambda h: h * 2, "h", "y", (1, 40))
    wide = convert_traced(project, [tensor("x")], [ct.TensorType("h", dtype=np.float16)])
    refuse(
        ct.utils.make_pipeline(wide, half), "takes 'h' as fp32 .* was described as fp16 of shape"
    )


def test_an_operation_that_fails_is_named_with_its_stage():
    model = ct.utils.make_pipeline(
        build_model(lambda x: mb.mul(x=x, y=1.0, name="h"), {"x": X}),
        build_model(lambda h: mb.squeeze(x=h, axes=[0], name="y"), {"h": X}),
    )
    block = model._spec.pipeline.models[1].mlProgram.functions["main"]
    operations = block.block_specializations[block.opset].operations
    operations[-1].type = "unknown"
    with pytest.raises(
        mil_runtime.UnsupportedOperationError, match="^stage 2 of the pipeline: func"
    ):
        mil_runtime.load(model)


def test_stages_with_state_are_refused():
    @mb.program(
        input_specs=[
            mb.TensorSpec((1, 40)),
            mb.StateTensorSpec((1, 40), ct.converters.mil.mil.types.fp16),
        ],
        opset_version=ct.target.iOS18,
    )
    def counter(h, count):
        total = mb.add(x=mb.read_state(input=count), y=mb.cast(x=h, dtype="fp16"))
        return mb.cast(x=mb.coreml_update_state(state=count, value=total), dtype="fp32", name="y")

    stateful = ct.convert(
        counter,
        convert_to="mlprogram",
        minimum_deployment_target=ct.target.iOS18,
        skip_model_load=True,
    )
    refuse(
        ct.utils.make_pipeline(stage(project, "x", "h"), stateful),
        "stage 2 of the pipeline has a state, which pipelines do not keep",
    )


def test_a_pipeline_has_one_function(three_stages):
    mil_runtime.load(three_stages, function="main")
    with pytest.raises(MilRuntimeError, match="a pipeline has no function 'other'"):
        mil_runtime.load(three_stages, function="other")
