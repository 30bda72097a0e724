import coremltools as ct
import numpy as np
import pytest
from coremltools.converters.mil.mil import Builder as mb

from validation import mil_runtime


def classifier(labels, shape):
    @mb.program(input_specs=[mb.TensorSpec(shape)], opset_version=ct.target.iOS15)
    def program(x):
        return mb.identity(x=x, name="scores")

    return ct.convert(
        program,
        classifier_config=ct.ClassifierConfig(labels),
        minimum_deployment_target=ct.target.iOS15,
        compute_precision=ct.precision.FLOAT32,
        skip_model_load=True,
    )


@pytest.mark.parametrize("labels", [["cat", "dog", "cow"], [7, 5, 9]])
@pytest.mark.parametrize("shape", [(3,), (1, 3)])
def test_label_of_the_highest_probability(labels, shape):
    x = np.array([0.25, 0.5, 0.25], np.float32).reshape(shape)
    outputs = mil_runtime.load(classifier(labels, shape)).predict({"x": x})
    assert outputs["classLabel"] == labels[1]
    assert type(outputs["classLabel"]) is type(labels[1])
    assert outputs["classLabel_probs"] == dict(zip(labels, [0.25, 0.5, 0.25], strict=True))


def test_first_of_equals_is_the_label():
    outputs = mil_runtime.load(classifier(["a", "b"], (2,))).predict({"x": np.ones(2, np.float32)})
    assert outputs["classLabel"] == "a"
