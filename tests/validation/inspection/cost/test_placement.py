"""Every rule about the Neural Engine applies to a program with the trait, and not to one without it."""

import copy

import coremltools as ct
import numpy as np
import pytest
from coremltools.converters.mil.mil import Builder as mb

from tests.support.mil_programs import build_model
from validation.inspection.cost.core_ml import component_cost
from validation.inspection.cost.neural_engine.rules import LEAVES, RULES


def weight(*shape):
    return np.ones(shape, np.float32)


def relu(x):
    return mb.relu(x=x)


def conv(*shape, **options):
    return lambda x: mb.conv(x=x, weight=weight(*shape), **options)


def computed_kernel(x):
    return mb.conv(x=x, weight=mb.slice_by_size(x=x, begin=[0] * 4, size=[1, 1, 3, 3]))


def recurrent(x):
    return mb.rnn(
        x=x,
        initial_h=mb.const(val=weight(1, 4)),
        weight_ih=weight(4, 3),
        weight_hh=weight(4, 4),
    )[0]


IMAGE = (1, 1, 32, 32)
# rule: with the trait (program, shape of its input), without it
PROGRAMS = {
    "integers": ((lambda x: mb.cast(x=x, dtype="int32"), IMAGE), (relu, IMAGE)),
    "axis size": ((relu, (1, 1, 1, 16385)), (relu, (1, 1, 1, 16384))),
    "recurrent": ((recurrent, (2, 1, 3)), (relu, (2, 1, 3))),
    "gather": (
        (lambda x: mb.gather(x=x, indices=[0, 1], axis=2), IMAGE),
        (lambda x: mb.slice_by_size(x=x, begin=[0] * 4, size=[1, 1, 2, 32]), IMAGE),
    ),
    "no hardware path": (
        (lambda x: mb.reduce_prod(x=x, axes=[-1]), IMAGE),
        (lambda x: mb.reduce_sum(x=x, axes=[-1]), IMAGE),
    ),
    "dilated convolution": (
        (conv(1, 1, 3, 3, dilations=[2, 2]), IMAGE),
        (conv(1, 1, 3, 3, dilations=[1, 1]), IMAGE),
    ),
    "large kernel": ((conv(1, 1, 3, 14), IMAGE), (conv(1, 1, 3, 13), IMAGE)),
    "computed kernel": ((computed_kernel, IMAGE), (conv(1, 1, 3, 3), IMAGE)),
    "convolution of volumes": (
        (conv(1, 1, 2, 2, 2), (1, 1, 4, 4, 4)),
        (conv(1, 1, 2, 2), IMAGE),
    ),
    "argmax over a long axis": (
        (lambda x: mb.reduce_argmax(x=x, axis=1), (1, 2049)),
        (lambda x: mb.reduce_argmax(x=x, axis=1), (1, 2048)),
    ),
    "since A14": ((lambda x: mb.topk(x=x, k=3)[0], IMAGE), (relu, IMAGE)),
    "since A15": ((lambda x: mb.sin(x=x), IMAGE), (lambda x: mb.tanh(x=x), IMAGE)),
    "layout": (
        (lambda x: mb.linear(x=x, weight=weight(4, 32)), (1, 16, 32)),
        (conv(4, 1, 1, 1), IMAGE),
    ),
    "short last axis": ((relu, (1, 1, 32, 16)), (relu, (1, 1, 32, 17))),
    "transpose": ((lambda x: mb.transpose(x=x, perm=[0, 1, 3, 2]), IMAGE), (relu, IMAGE)),
}


def edited(change):
    """Return a model whose program was changed after it was built."""
    model = build_model(relu, {"x": np.zeros(IMAGE, np.float32)})
    specification = copy.deepcopy(model.get_spec())
    function = specification.mlProgram.functions["main"]
    change(function, function.block_specializations[function.opset].operations[-1])
    return ct.models.MLModel(specification, weights_dir=model.weights_dir, skip_model_load=True)


def without_fixed_height(function, operation):
    function.inputs[0].type.tensorType.dimensions[2].unknown.variadic = False


def of_six_axes(function, operation):
    declared = operation.outputs[0].type.tensorType
    declared.dimensions.add().constant.size = 1
    declared.dimensions.add().constant.size = 1
    declared.rank = 6


def of_an_app(function, operation):
    operation.type = "custom_layer"


def left_alone(function, operation):
    pass


EDITS = {
    "flexible shapes": without_fixed_height,
    "rank": of_six_axes,
    "custom layer": of_an_app,
}


def found(cost):
    return {risk.rule.name: risk for risk in cost.risks.risks}


def test_every_rule_has_a_test():
    assert {rule.name for rule in RULES} == {*PROGRAMS, *EDITS, "float32"}
    assert all(rule.source.startswith("https://") for rule in RULES)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_rule_speaks_of_its_trait_only(mil_cost, name):
    (build, shape), (other_build, other_shape) = PROGRAMS[name]
    risk = found(mil_cost(build, x=shape))[name]
    assert risk.operations == 1
    assert len(risk.kinds) == 1
    assert name not in found(mil_cost(other_build, x=other_shape))


@pytest.mark.parametrize("name", EDITS)
def test_rules_apply_to_what_the_builder_would_not_write(no_sources, name):
    assert name in found(component_cost(edited(EDITS[name]), None, no_sources))
    assert name not in found(component_cost(edited(left_alone), None, no_sources))


def test_float32_leaves_and_float16_does_not(mil_cost):
    assert found(mil_cost(relu, "float32", x=IMAGE))["float32"].operations == 1
    assert "float32" not in found(mil_cost(relu, "float16", x=IMAGE))


def test_shares_are_of_the_multiply_adds(mil_cost):
    def build(x):  # a quarter of them dilated
        dilated = mb.conv(x=x, weight=weight(1, 1, 1, 1), dilations=[2, 2])
        return mb.conv(x=dilated, weight=weight(3, 1, 1, 1))

    cost = mil_cost(build, x=IMAGE)
    risk = found(cost)["dilated convolution"]
    assert (risk.operations, risk.multiply_adds, risk.share) == (1, 32 * 32, 0.25)
    assert risk.rule.effect == LEAVES
    assert cost.risks.share == 1  # float32 all of it
    assert risk.kinds == ("conv",)


def test_an_operation_with_several_risks_counts_once(mil_cost):
    def build(x):
        return mb.relu(x=mb.conv(x=x, weight=weight(1, 1, 3, 3), dilations=[2, 2]))

    cost = mil_cost(build, x=IMAGE)
    assert {"float32", "dilated convolution"} <= found(cost).keys()
    assert (cost.risks.operations, cost.risks.share) == (2, 1)


def test_slow_is_not_leaving(mil_cost):
    def slow(x):
        return mb.linear(x=x, weight=np.ones((4, 32), np.float16), bias=np.ones(4, np.float16))

    cost = mil_cost(slow, "float16", x=(1, 16, 32))
    assert found(cost)["layout"].share == 1
    assert (cost.risks.operations, cost.risks.share) == (0, 0)
