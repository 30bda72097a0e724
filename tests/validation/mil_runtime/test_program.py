import coremltools as ct
import numpy as np
import pytest
import torch
from coremltools.converters.mil.mil import Builder as mb
from coremltools.converters.mil.mil import types

from tests.support.mil_programs import build_model
from validation import mil_runtime
from validation.mil_runtime import InputError, MilRuntimeError, ModelError, OperationError

X = np.array([[1, -2, 3], [-4, 5, -6]], np.float32)


def branches(x):
    """Build a chain of named values with a branch, a loop and two outputs."""
    halved = mb.mul(x=x, y=0.5, name="halved")
    large = mb.greater(x=mb.reduce_max(x=x), y=2.0, name="large")
    chosen = mb.cond(
        pred=large,
        _true_fn=lambda: mb.add(x=halved, y=1.0, name="raised"),
        _false_fn=lambda: mb.sub(x=halved, y=1.0, name="lowered"),
        name="chosen",
    )
    _, doubled = mb.while_loop(
        _cond=lambda i, value: mb.less(x=i, y=3),
        _body=lambda i, value: (mb.add(x=i, y=1), mb.mul(x=value, y=2.0, name="twice")),
        loop_vars=(0, chosen),
        name="doubled",
    )
    return mb.identity(x=doubled, name="first"), mb.relu(x=chosen, name="second")


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """``branches`` on disk; tests must not change it."""
    path = tmp_path_factory.mktemp("package") / "branches.mlpackage"
    build_model(branches, {"x": X}).save(str(path))
    return path


@pytest.fixture
def program(package):
    return mil_runtime.load(package)


def test_outputs_come_by_name(program):
    prediction = program.predict({"x": X})
    assert list(prediction) == ["first", "second"] == list(program.outputs)
    np.testing.assert_array_equal(prediction["first"], 8 * (X / 2 + 1))
    np.testing.assert_array_equal(prediction["second"], np.maximum(X / 2 + 1, 0))
    np.testing.assert_array_equal(program.predict({"x": -X / 9})["first"], 8 * (-X / 18 - 1))


def test_predictions_say_what_they_were_computed_in(package):
    for numerics, dtype in (("declared", np.float32), ("float32", np.float32), ("float64", float)):
        program = mil_runtime.load(package, numerics)
        prediction = program.predict({"x": X})
        assert program.numerics == prediction.numerics == numerics
        assert prediction["first"].dtype == dtype


def test_unknown_numerics_are_refused(package):
    with pytest.raises(MilRuntimeError, match="'float8': expected one of declared, float32"):
        mil_runtime.load(package, "float8")


def test_models_in_memory_and_on_disk_are_the_same(package, program):
    model = ct.models.MLModel(str(package), skip_model_load=True)
    np.testing.assert_array_equal(
        mil_runtime.load(model).predict({"x": X})["first"], program.predict({"x": X})["first"]
    )
    np.testing.assert_array_equal(
        mil_runtime.load(str(package)).predict({"x": X})["first"],
        program.predict({"x": X})["first"],
    )


def test_intermediates_can_be_had_beside_the_outputs(program):
    prediction = program.predict({"x": X}, intermediates=["halved", "raised", "twice", "large"])
    assert set(prediction) == {"first", "second"}
    np.testing.assert_array_equal(prediction.intermediates["halved"], X / 2)
    np.testing.assert_array_equal(prediction.intermediates["raised"], X / 2 + 1)
    np.testing.assert_array_equal(
        prediction.intermediates["twice"], prediction["first"]
    )  # the last
    assert prediction.intermediates["large"].dtype == np.bool_
    assert program.predict({"x": X}).intermediates == {}


def test_intermediates_of_a_branch_not_taken_are_not_there(program):
    assert program.predict({"x": X}, intermediates=["lowered"]).intermediates == {}


def test_unknown_intermediates_are_refused(program):
    with pytest.raises(InputError, match="no value named nothing, something"):
        program.predict({"x": X}, intermediates=["something", "halved", "nothing"])


def test_lists_and_states_can_be_intermediates():
    def build(x):
        values = mb.make_list(init_length=2, dynamic_length=False, elem_shape=(3,))
        values = mb.list_write(ls=values, index=1, value=x, name="values")
        return mb.list_read(ls=values, index=1)

    program = mil_runtime.load(build_model(build, {"x": X[0]}))
    (first, second) = program.predict({"x": X[0]}, intermediates=["values"]).intermediates["values"]
    assert first is None
    np.testing.assert_array_equal(second, X[0])


def test_an_observer_sees_every_operation(program):
    seen = []

    def observe(operation, arguments, outputs):
        seen.append((operation.kind, set(arguments), [type(output) for output in outputs]))

    program.predict({"x": X}, observer=observe)
    kinds = [kind for kind, _, _ in seen]
    assert kinds.count("mul") == 4  # once outside, three times in the loop
    assert kinds.index("add") < kinds.index("cond")
    assert ("add", {"x", "y"}, [torch.Tensor]) in seen


def replace(name, *values):
    """Return an observer that replaces the outputs of one operation by ``values``."""
    return lambda operation, arguments, outputs: values if operation.name == name else None


def test_what_an_observer_returns_is_used_from_there_on(program):
    ones = torch.ones(2, 3, dtype=torch.float64)
    prediction = program.predict(
        {"x": X}, intermediates=["halved"], observer=replace("halved", ones)
    )
    np.testing.assert_array_equal(prediction.intermediates["halved"], np.ones_like(X))
    np.testing.assert_array_equal(prediction["second"], np.full_like(X, 2))  # in a nested block too
    assert program.predict({"x": X})["second"].max() == 3.5  # that time only


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            (torch.ones(3, 2),),
            r"halved.*: the observer gives the shape \[3, 2\], but the program declares fp32\[2, 3\]",
        ),
        (
            (torch.ones(2, 3),) * 2,
            "halved.*: the observer gives 2 outputs, but the program declares 1",
        ),
        ((1.0,), r"halved.*: the observer gives a float, but the program declares fp32\[2, 3\]"),
    ],
)
def test_an_observer_gives_what_the_operation_declares(program, values, message):
    with pytest.raises(OperationError, match=message):
        program.predict({"x": X}, observer=replace("halved", *values))


def test_an_error_of_an_observer_is_passed_on(program):
    with pytest.raises(AttributeError, match="'tuple'"):
        program.predict({"x": X}, observer=lambda operation, arguments, outputs: outputs.value)


def test_inputs_are_not_changed_and_results_are_the_callers_own(package):
    model = build_model(lambda x: mb.identity(x=x, name="y"), {"x": X})
    for program in (mil_runtime.load(package), mil_runtime.load(model)):
        given = X.copy()
        prediction = program.predict({"x": given}, intermediates=["x"])
        for value in [*prediction.values(), *prediction.intermediates.values()]:
            assert value.flags.writeable
            value[...] = 100
        np.testing.assert_array_equal(given, X)
        again = program.predict({"x": given})
        assert not any((value == 100).any() for value in again.values())


def test_constants_that_come_out_are_copies():
    program = mil_runtime.load(
        build_model(lambda x: [mb.identity(x=X, name="y"), mb.relu(x=x)], {"x": X})
    )
    program.predict({"x": X}, intermediates=["y"])["y"][...] = 100
    np.testing.assert_array_equal(program.predict({"x": X})["y"], X)


def test_random_operations_start_anew_with_every_prediction():
    def build(x):
        return mb.random_uniform(shape=[4], low=0.0, high=1.0)

    model = build_model(build, {"x": X})
    program = mil_runtime.load(model)
    (first,), (second,) = (program.predict({"x": X}).values() for _ in range(2))
    (other,) = mil_runtime.load(model, seed=1).predict({"x": X}).values()
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"y": X}, r"^input 'y': the model takes 'x': fp32 of shape \[2, 3\]$"),
        ({"x": X, "y": X, 3: X}, r"^input 'y', 3: the model takes 'x'"),
        ({}, r"^input 'x' is missing: expected fp32 of shape \[2, 3\]$"),
        ({"x": X.T}, r"^input 'x': an array of shape \[3, 2\], expected fp32 of shape \[2, 3\]$"),
        (X, r"^a ndarray: expected a dict of 'x': fp32"),
        (None, "^a NoneType: expected a dict"),
    ],
)
def test_wrong_inputs_are_refused_with_what_the_model_takes(program, data, message):
    with pytest.raises(InputError, match=message):
        program.predict(data)


def test_a_failed_prediction_leaves_the_program_usable(program):
    with pytest.raises(InputError):
        program.predict({"x": X.T})
    np.testing.assert_array_equal(program.predict({"x": X})["first"], 8 * (X / 2 + 1))


@pytest.fixture(scope="module")
def two_functions(tmp_path_factory):
    """A package with two functions: "double", which is the default, and "triple"."""
    folder = tmp_path_factory.mktemp("functions")
    descriptor = ct.utils.MultiFunctionDescriptor()
    for name, factor in (("double", 2.0), ("triple", 3.0)):
        path = folder / f"{name}.mlpackage"
        weights = np.full((3, 40), factor, np.float32)  # enough to be in a weight file
        build_model(lambda x, weights=weights: mb.matmul(x=x, y=weights, name="y"), {"x": X}).save(
            str(path)
        )
        descriptor.add_function(str(path), "main", name)
    descriptor.default_function_name = "double"
    path = folder / "both.mlpackage"
    ct.utils.save_multifunction(descriptor, str(path))
    return path


@pytest.mark.parametrize(("function", "factor"), [(None, 2), ("double", 2), ("triple", 3)])
def test_functions_of_a_package_are_chosen_by_name(two_functions, function, factor):
    program = mil_runtime.load(two_functions, function=function)
    expected = np.repeat(factor * X.sum(1, keepdims=True), 40, 1)
    np.testing.assert_array_equal(program.predict({"x": X})["y"], expected)


def test_unknown_functions_are_refused(two_functions, package):
    with pytest.raises(ModelError, match="no function 'quadruple': expected one of double, triple"):
        mil_runtime.load(two_functions, function="quadruple")
    with pytest.raises(ModelError, match="no function 'double': expected one of main"):
        mil_runtime.load(package, function="double")


def counter(shape=(3,)):
    """A model that adds its input to its state."""

    @mb.program(
        input_specs=[mb.TensorSpec(shape, types.fp16), mb.StateTensorSpec(shape, types.fp16)],
        opset_version=ct.target.iOS18,
    )
    def program(x, count):
        total = mb.add(x=mb.read_state(input=count), y=x)
        return mb.coreml_update_state(state=count, value=total, name="total")

    return ct.convert(
        program,
        convert_to="mlprogram",
        minimum_deployment_target=ct.target.iOS18,
        skip_model_load=True,
    )


@pytest.fixture(scope="module")
def counting():
    return mil_runtime.load(counter())


ONE = {"x": np.ones(3)}


def test_states_begin_at_zero_and_persist(counting):
    state = counting.make_state()
    np.testing.assert_array_equal(state.read("count"), [0, 0, 0])
    for expected in (1, 2, 3):
        np.testing.assert_array_equal(counting.predict(ONE, state)["total"], [expected] * 3)
    np.testing.assert_array_equal(state.read("count"), [3, 3, 3])


def test_states_are_independent(counting):
    first, second = counting.make_state(), counting.make_state()
    counting.predict(ONE, first)
    counting.predict(ONE, first)
    np.testing.assert_array_equal(counting.predict(ONE, second)["total"], [1, 1, 1])


def test_states_can_be_read_and_written(counting):
    state = counting.make_state()
    value = np.array([10, 20, 1 / 3])
    state.write("count", value)
    value[:] = 0
    held = np.array([10, 20, 1 / 3], np.float16)
    assert state.read("count").dtype == np.float16
    np.testing.assert_array_equal(state.read("count"), held)
    state.read("count")[:] = 0
    np.testing.assert_array_equal(counting.predict(ONE, state)["total"], held + np.float16(1))


def test_results_do_not_share_memory_with_states(counting):
    state = counting.make_state()
    counting.predict(ONE, state, intermediates=["count"])["total"][:] = 100
    np.testing.assert_array_equal(state.read("count"), [1, 1, 1])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("count", np.zeros(4), r"state 'count': of shape \[4\], expected numbers of shape \[3\]"),
        ("count", [[1], [2, 3]], "state 'count': is not an array"),
        ("count", ["a", "b", "c"], "state 'count': of type <U1"),
        ("other", np.zeros(3), "no state 'other': expected one of count"),
    ],
)
def test_states_take_only_what_fits(counting, name, value, message):
    with pytest.raises(InputError, match=message):
        counting.make_state().write(name, value)


def test_unknown_states_cannot_be_read(counting):
    with pytest.raises(InputError, match="no state 'other'"):
        counting.make_state().read("other")


def test_a_stateful_model_needs_a_state_of_its_own(counting, program):
    with pytest.raises(InputError, match=r"no state: .*expected one from make_state\(\)"):
        counting.predict(ONE)
    with pytest.raises(InputError, match="a dict as state"):
        counting.predict(ONE, {"count": np.zeros(3)})
    for other in (
        mil_runtime.load(counter((4,))),
        mil_runtime.load(counter(), "float64"),
        program,
    ):
        with pytest.raises(InputError, match=r"other tensors .*expected 'count': float16 \[3\]"):
            counting.predict(ONE, other.make_state())


def test_a_model_without_state_takes_only_an_empty_one(counting, program):
    program.predict({"x": X}, program.make_state())
    with pytest.raises(InputError, match="a state of other tensors"):
        program.predict({"x": X}, counting.make_state())
