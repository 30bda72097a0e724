"""A loaded program, with its predictions and its state."""

import math
from collections.abc import Collection, Mapping
from typing import cast

import numpy as np
import torch

from validation.mil_runtime.arithmetic.sizes import MAX_ELEMENTS
from validation.mil_runtime.errors import DAMAGED, InputError, ModelError
from validation.mil_runtime.execution import Observer
from validation.mil_runtime.feature_values import (
    from_program,
    read_inputs,
    read_numbers,
    to_program,
)
from validation.mil_runtime.interpreter import Interpreter
from validation.mil_runtime.model.feature_description import (
    Description,
    Feature,
    OtherFeature,
)
from validation.mil_runtime.model.program_structure import Block, Function
from validation.mil_runtime.model.value_types import DataType, StateType, TensorType, ValueType
from validation.mil_runtime.registry import StateCell


class Prediction(dict):
    """The outputs of a prediction, by name.

    Attributes:
        numerics: the name of the numerics that computed them.
        intermediates: name → array, for the intermediate values that were requested.
    """

    def __init__(
        self, outputs: Mapping[str, object], numerics: str, intermediates: Mapping[str, object]
    ) -> None:
        super().__init__(outputs)
        self.numerics = numerics
        self.intermediates = dict(intermediates)


class State:
    """The values that a stateful program keeps between predictions. ``make_state`` returns it."""

    def __init__(self, cells: Mapping[str, StateCell]) -> None:
        self.cells = dict(cells)

    def read(self, name: str) -> np.ndarray:
        """Return a copy of a state's value."""
        return self._cell(name).value.numpy().copy()

    def write(self, name: str, value: np.ndarray) -> None:
        """Replace a state's value.

        Raises:
            InputError: the value has another shape.
        """
        cell = self._cell(name)
        expected = f"numbers of shape {list(cell.value.shape)}"
        array = read_numbers(value, f"state '{name}'", expected)
        if array.shape != tuple(cell.value.shape):
            raise InputError(f"state '{name}': of shape {list(array.shape)}, expected {expected}")
        cell.value = torch.from_numpy(array.astype(np.float64)).to(cell.value.dtype)

    def _cell(self, name: str) -> StateCell:
        if name not in self.cells:
            raise InputError(
                f"there is no state '{name}': expected one of {', '.join(self.cells) or 'none'}"
            )
        return self.cells[name]


class Program:
    """One function of an ML Program that is ready to run. ``load`` returns it.

    Attributes:
        function: the function's structure: its operations, types and constants.
        numerics: the name of the numerics that it was loaded with.
    """

    def __init__(self, description: Description, interpreter: Interpreter, seed: int) -> None:
        """Join a function with the description of its inputs and outputs."""
        self._description = description
        self._interpreter = interpreter
        self._seed = seed
        self.function: Function = interpreter.function
        self.numerics: str = interpreter.numerics.name
        self._require_described()

    @property
    def inputs(self) -> Mapping[str, Feature]:
        """The inputs of ``predict``, by name."""
        return self._description.inputs

    @property
    def outputs(self) -> Mapping[str, Feature]:
        """The outputs of ``predict``, by name."""
        return self._description.outputs

    def make_state(self) -> State:
        """Return a state of zeros, to pass to every ``predict`` that shares it."""
        held_in = self._interpreter.numerics.held_in
        cells = {
            name: StateCell(torch.zeros(shape, dtype=held_in(dtype)))
            for name, (dtype, shape) in self._states().items()
        }
        return State(cells)

    def predict(
        self,
        data: Mapping[str, object],
        state: State | None = None,
        *,
        intermediates: Collection[str] = (),
        observer: Observer | None = None,
    ) -> Prediction:
        """Run the program once.

        Args:
            data: a value for each input. It is an array, or for a picture a PIL image or a uint8 array
                (H, W, 3) or (H, W). Inputs with a default may be left out.
            state: the result of ``make_state``. A stateful program needs it, and changes it.
            intermediates: names of values, of any operation, to return in addition to the outputs. If a
                loop computes a value several times, the last one is returned.
            observer: a function that is called after each operation with the operation, its arguments
                by name, and its outputs. Tensors have the types that hold them in the program. The
                function must not change them, but may return a tuple of outputs that replace them.

        Returns:
            The outputs by name: arrays, pictures, labels, or probabilities by label. Arrays have the
            described type, or the type of the numerics if these are not "declared".

        Raises:
            InputError: the inputs do not fit the model.
            OperationError: an operation cannot be computed on the inputs.
        """
        inputs = self._read_inputs(data)
        inputs.update(self._read_state(state))
        unknown = set(intermediates) - self.value_names()
        if unknown:
            raise InputError(
                f"the program has no value named {', '.join(sorted(unknown))}: expected names that "
                "value_names() returns"
            )
        outputs, kept = self._interpreter.run(
            inputs, self._seed, frozenset(intermediates), observer
        )
        numerics = self._interpreter.numerics
        return Prediction(
            {
                name: from_program(outputs[name], feature, numerics)
                for name, feature in self.outputs.items()
            },
            self.numerics,
            {name: from_program(value, None, numerics) for name, value in kept.items()},
        )

    def value_names(self) -> frozenset[str]:
        """The names of all values that ``predict`` can return as intermediates."""
        return self._interpreter.value_names()

    def _read_inputs(self, data: Mapping[str, object]) -> dict[str, object]:
        arrays = read_inputs(data, self._description)
        numerics = self._interpreter.numerics
        return {
            item.name: to_program(arrays[item.name], cast(TensorType, item.type), numerics)
            for item in self.function.inputs
            if item.name in arrays
        }

    def _read_state(self, state: State | None) -> Mapping[str, StateCell]:
        states = self._states()
        if not states and state is None:
            return {}
        if not isinstance(state, State):
            given = "no state" if state is None else f"a {type(state).__name__} as state"
            raise InputError(f"{given}: the model is stateful, expected one from make_state()")
        held_in = self._interpreter.numerics.held_in
        expected = {name: (held_in(dtype), shape) for name, (dtype, shape) in states.items()}
        held = {
            name: (cell.value.dtype, tuple(cell.value.shape)) for name, cell in state.cells.items()
        }
        if held != expected:
            raise InputError(
                f"a state of other tensors ({_describe_states(held)}): expected "
                f"{_describe_states(expected)}, from make_state() of this program"
            )
        return state.cells

    def _states(self) -> Mapping[str, tuple[DataType, tuple[int, ...]]]:
        """The types of the program's states, by name. ``_require_described`` found that their shapes are fixed."""
        return {
            item.name: (item.type.tensor.dtype, cast(tuple[int, ...], item.type.tensor.shape))
            for item in self.function.inputs
            if isinstance(item.type, StateType)
        }

    def _require_described(self) -> None:
        """Require that the description and the function have the same inputs, outputs and shapes."""
        declared = {item.name: item.type for item in self.function.inputs}
        described = {**self.inputs, **self._description.states}
        if described.keys() != declared.keys():
            raise ModelError(
                f"the function takes {', '.join(sorted(declared))}, but the model's description "
                f"has {', '.join(sorted(described))}; {DAMAGED}"
            )
        for name, feature in self.inputs.items():
            _require_agreement("input", name, feature, declared[name])
        for name, feature in self._description.states.items():
            kind = declared[name]
            if not isinstance(kind, StateType):
                raise ModelError(f"the state '{name}' is not a state in the function; {DAMAGED}")
            _require_agreement("state", name, feature, kind.tensor)
            shape = kind.tensor.shape
            fixed = [size for size in shape or () if size is not None]
            if shape is None or len(fixed) < len(shape) or math.prod(fixed) > MAX_ELEMENTS:
                raise ModelError(
                    f"the state '{name}' is declared as {kind.tensor}, expected a fixed shape of "
                    f"at most {MAX_ELEMENTS} elements"
                )
        computed = _output_types(self.function.block)
        absent = self.outputs.keys() - computed.keys()
        if absent:
            raise ModelError(
                f"the description promises {', '.join(sorted(absent))}, which the function does "
                f"not compute; {DAMAGED}"
            )
        for name, feature in self.outputs.items():
            if not isinstance(feature, OtherFeature):
                _require_agreement("output", name, feature, computed[name])


def _require_agreement(what: str, name: str, feature: Feature, declared: ValueType) -> None:
    if (
        isinstance(feature, OtherFeature)
        or not isinstance(declared, TensorType)
        or not feature.agrees_with(declared)
    ):
        raise ModelError(
            f"the {what} '{name}' is described as {feature}, but declared as {declared} in the "
            f"function; {DAMAGED}"
        )


def _output_types(block: Block) -> Mapping[str, ValueType]:
    """Return the types of a block's outputs, by name."""
    types = {item.name: item.type for item in block.inputs} | dict(block.constant_types)
    for operation in block.operations:
        types.update((output.name, output.type) for output in operation.outputs)
    return {name: types[name] for name in block.outputs}


def _describe_states(states: Mapping[str, tuple[torch.dtype, tuple[int, ...]]]) -> str:
    return ", ".join(
        f"'{name}': {str(dtype).removeprefix('torch.')} {list(shape)}"
        for name, (dtype, shape) in states.items()
    )
