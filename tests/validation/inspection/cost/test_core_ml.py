"""The costs of small ML Programs are those that were worked out by hand."""

import copy

import numpy as np
import pytest
from coremltools.converters.mil.mil import Builder as mb
from coremltools.models import MLModel

from reference.common.errors import ArtifactError
from tests.support.mil_programs import build_model
from validation.inspection.cost.core_ml import component_cost


def ones(*shape):
    return np.ones(shape, np.float32)


def test_a_convolution_costs_what_was_worked_out(mil_cost):
    cost = mil_cost(
        lambda x: mb.conv(x=x, weight=ones(4, 3, 3, 3), pad_type="same"), x=(1, 3, 8, 8)
    )
    assert cost.multiply_adds == 8 * 8 * 4 * 3 * 3 * 3
    assert cost.multiply_adds_by_operator == {"conv": cost.multiply_adds}
    assert cost.operations == {"conv": 1}
    assert cost.parameters.count == 108
    assert cost.parameters.stored_bytes == cost.parameters.computed_bytes == 432
    assert cost.memory.activation_bytes == 4 * 8 * 8 * 4
    assert cost.memory.peak_bytes == (3 + 4) * 8 * 8 * 4


@pytest.mark.parametrize(
    ("build", "shape", "expected"),
    [
        (lambda x: mb.conv(x=x, weight=ones(6, 1, 3, 3), groups=6), (1, 6, 5, 5), 9 * 6 * 9),
        (
            lambda x: mb.conv(x=x, weight=ones(4, 3, 3, 3), strides=[2, 2]),
            (1, 3, 9, 9),
            16 * 4 * 27,
        ),
        (
            lambda x: mb.conv_transpose(x=x, weight=ones(3, 5, 2, 2), strides=[2, 2]),
            (1, 3, 4, 4),
            16 * 3 * 5 * 4,
        ),
        (lambda x: mb.linear(x=x, weight=ones(7, 5), bias=ones(7)), (2, 3, 5), 6 * 7 * 5),
        (lambda x: mb.matmul(x=x, y=ones(4, 6)), (2, 3, 4), 2 * 3 * 4 * 6),
        (lambda x: mb.matmul(x=x, y=ones(4, 6), transpose_x=True), (4, 3), 3 * 4 * 6),
        (lambda x: mb.einsum(values=(x, x), equation="nchw,nwhu->nchu"), (2, 3, 3, 3), 2 * 3**4),
        (lambda x: mb.softmax(x=mb.gelu(x=x), axis=-1), (2, 3), 0),
    ],
)
def test_multiply_adds(mil_cost, build, shape, expected):
    assert mil_cost(build, x=shape).multiply_adds == expected


def attention(q, k, v):
    weights = mb.softmax(x=mb.matmul(x=q, y=k, transpose_y=True), axis=-1)
    return mb.matmul(x=weights, y=v)


def fused_attention(q, k, v):
    return mb.scaled_dot_product_attention(query=q, key=k, value=v)


@pytest.mark.parametrize("build", [attention, fused_attention])
def test_attention_costs_what_was_worked_out(mil_cost, build):
    cost = mil_cost(build, q=(1, 2, 6, 4), k=(1, 2, 9, 4), v=(1, 2, 9, 5))
    assert cost.multiply_adds == 2 * 6 * 9 * 4 + 2 * 6 * 9 * 5


def test_memory_of_a_branch_counts_a_view_once(mil_cost):
    def build(x):
        first = mb.relu(x=x)
        second = mb.reshape(x=first, shape=[20, 5])
        return mb.add(x=mb.sigmoid(x=second), y=second)

    cost = mil_cost(build, x=(10, 10))
    assert cost.memory.activation_bytes == 3 * 400
    assert cost.memory.peak_bytes == 3 * 400  # relu's, sigmoid's and the sum
    assert cost.operations == {"relu": 1, "reshape": 1, "sigmoid": 1, "add": 1}


def test_float16_takes_half_the_memory(mil_cost):
    cost = mil_cost(lambda x: mb.relu(x=mb.tanh(x=x)), "float16", x=(100,))
    # cast, tanh, relu in float16, cast to float32
    assert cost.memory.activation_bytes == 3 * 200 + 400


def test_compressed_weights_are_stored_small_and_computed_large(mil_cost):
    def build(x):
        weight = mb.constexpr_lut_to_dense(
            lut=np.array([0.0, 1.0, 2.0, 3.0], np.float32),
            indices=np.zeros(8, np.uint8),  # 32 indices of 2 bits
            shape=np.array([4, 8], np.uint32),
        )
        return mb.linear(x=x, weight=weight)

    parameters = mil_cost(build, opset="iOS16", x=(1, 8)).parameters
    assert parameters.count == 4 * 8 + 4  # with the bias that linear adds
    assert parameters.stored_bytes == 8 + 4 * 4 + 4 * 4
    assert parameters.computed_bytes == 32 * 4 + 4 * 4


def test_an_operation_without_its_argument_is_refused(no_sources):
    model = build_model(lambda x: mb.linear(x=x, weight=ones(7, 5)), {"x": ones(2, 5)})
    specification = copy.deepcopy(model.get_spec())
    function = specification.mlProgram.functions["main"]
    del function.block_specializations[function.opset].operations[-1].inputs["x"]
    damaged = MLModel(specification, weights_dir=model.weights_dir, skip_model_load=True)
    with pytest.raises(ArtifactError, match="linear .*lacks an argument.*convert .* again"):
        component_cost(damaged, None, no_sources)


def test_branches_are_refused(mil_cost):
    def build(x):
        positive = mb.greater(x=mb.reduce_sum(x=x, axes=[0], keep_dims=False), y=0.0)
        return mb.cond(pred=positive, _true_fn=lambda: mb.relu(x=x), _false_fn=lambda: mb.tanh(x=x))

    with pytest.raises(ArtifactError, match="has the operator cond, .* without branches"):
        mil_cost(build, x=(3,))
