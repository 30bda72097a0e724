import coremltools as ct
import numpy as np
import pytest
from coremltools.converters.mil.mil import Builder as mb
from coremltools.converters.mil.mil import types

from validation import mil_runtime


@pytest.fixture
def accumulator():
    """Build a program that adds x to its state, and returns the state before and the result of the update."""

    @mb.program(
        input_specs=[
            mb.StateTensorSpec((2, 3), types.fp16),
            mb.TensorSpec((2, 3), types.fp16),
        ],
        opset_version=ct.target.iOS18,
    )
    def program(memory, x):
        before = mb.read_state(input=memory)
        total = mb.add(x=before, y=x)
        after = mb.coreml_update_state(state=memory, value=total)
        return mb.mul(x=before, y=np.float16(1)), mb.mul(x=after, y=np.float16(2))

    return mil_runtime.load(
        ct.convert(
            program,
            minimum_deployment_target=ct.target.iOS18,
            pass_pipeline=ct.PassPipeline.EMPTY,
            skip_model_load=True,
        )
    )


def outputs_of(program, x, state):
    outputs = program.predict({"x": x}, state)
    return [outputs[name] for name in program.function.block.outputs]


def test_state_begins_with_zeros_and_is_kept_between_predictions(accumulator):
    x = np.arange(6, dtype=np.float16).reshape(2, 3)
    state = accumulator.make_state()
    for count in range(3):
        before, doubled = outputs_of(accumulator, x, state)
        np.testing.assert_array_equal(before, count * x)
        np.testing.assert_array_equal(doubled, 2 * (count + 1) * x)
    np.testing.assert_array_equal(state.read("memory"), 3 * x)


def test_states_do_not_share_what_they_remember(accumulator):
    x = np.ones((2, 3), np.float16)
    first, second = accumulator.make_state(), accumulator.make_state()
    outputs_of(accumulator, x, first)
    np.testing.assert_array_equal(second.read("memory"), np.zeros((2, 3)))
    second.write("memory", 5 * x)
    before, _ = outputs_of(accumulator, x, second)
    np.testing.assert_array_equal(before, 5 * x)


def test_outputs_do_not_change_with_later_predictions(accumulator):
    x = np.ones((2, 3), np.float16)
    state = accumulator.make_state()
    first, _ = outputs_of(accumulator, x, state)
    outputs_of(accumulator, x, state)
    np.testing.assert_array_equal(first, np.zeros((2, 3)))


def test_a_state_is_rounded_to_its_type(accumulator):
    state = accumulator.make_state()
    outputs_of(accumulator, np.full((2, 3), 2048, np.float16), state)
    outputs_of(accumulator, np.ones((2, 3), np.float16), state)
    np.testing.assert_array_equal(state.read("memory"), np.full((2, 3), 2048))
