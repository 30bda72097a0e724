"""Computes planned blocks of operations."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from reference.common.torch_errors import first_line
from validation.mil_runtime.errors import MilRuntimeError, OperationError
from validation.mil_runtime.model.program_structure import Block, Constant, Operation, Reference
from validation.mil_runtime.model.value_types import TensorType
from validation.mil_runtime.numerics import Numerics
from validation.mil_runtime.registry import Context, Operator, Parameter

# (operation, its arguments, its outputs) → outputs that replace the operation's own, or None. It is called
# after each operation. Tensors have the types that hold them in the program.
Observer = Callable[[Operation, Mapping[str, object], tuple], tuple | None]

# The exceptions of torch, numpy and Python for values that an operator cannot process.
_REFUSALS = (
    *(RuntimeError, ValueError, TypeError, AttributeError, AssertionError),
    *(LookupError, ArithmeticError, MemoryError),
)


@dataclass(frozen=True)
class PlannedOperation:
    """An operation with its operator, and the values that no later operation needs."""

    operation: Operation
    operator: Operator
    arguments: tuple[tuple[Parameter, tuple[Reference | Constant, ...]], ...]
    blocks: tuple["PlannedBlock", ...]
    last_used: tuple[str, ...]


@dataclass(frozen=True)
class PlannedBlock:
    """A block that is ready to run.

    Attributes:
        block: the block.
        constants: name → value, for constants; compressed ones are decompressed.
        steps: the operations.
        folded: name → value, for the results of steps that only use constants.
        quick_steps: operations that compute the same outputs from ``folded``, without all values between.
    """

    block: Block
    constants: Mapping[str, Constant]
    steps: tuple[PlannedOperation, ...]
    folded: Mapping[str, object]
    quick_steps: tuple[PlannedOperation, ...]

    def value_names(self) -> Iterator[str]:
        """Yield the names of all values in the block and in the blocks that are nested in it."""
        yield from self.constants
        yield from (item.name for item in self.block.inputs)
        for step in self.steps:
            yield from (output.name for output in step.operation.outputs)
            for nested in step.blocks:
                yield from nested.value_names()


class Execution:
    """One computation of a function, with its random numbers and kept values."""

    def __init__(
        self,
        numerics: Numerics,
        seed: int,
        wanted: frozenset[str] = frozenset(),
        observer: Observer | None = None,
    ) -> None:
        self.kept: dict[str, object] = {}
        self._numerics = numerics
        self._wanted, self._observer = wanted, observer
        self._generator = torch.Generator().manual_seed(seed)

    def run_block(
        self, planned: PlannedBlock, inputs: Sequence[object], outside: Mapping[str, object]
    ) -> tuple[object, ...]:
        """Compute a block. Return its outputs, in order.

        Args:
            planned: the block.
            inputs: the values of its inputs, in order.
            outside: name → value, for the values that the block takes from outside.
        """
        block = planned.block
        values = {name: outside[name] for name in block.captures}
        values.update(planned.constants)
        values.update(zip((item.name for item in block.inputs), inputs, strict=True))
        self._keep(values)
        watched = self._observer is not None or self._wanted
        if not watched:
            values.update(planned.folded)
        for step in planned.steps if watched else planned.quick_steps:
            outputs = self.run_step(step, values)
            self._keep(outputs)
            values.update(outputs)
            for name in step.last_used:
                values.pop(name, None)
        return tuple(values[name] for name in block.outputs)

    def run_step(self, step: PlannedOperation, values: Mapping[str, object]) -> dict[str, object]:
        """Compute one operation. Return its outputs by name, in the types that hold them."""
        bound = [
            (parameter, [_look_up(item, values) for item in bindings])
            for parameter, bindings in step.arguments
        ]
        try:
            results = self._compute(step, bound, values)
            outputs = _held(step.operation, results, self._numerics)
        except MilRuntimeError as error:
            if step.operation.place in str(error):  # an operation of a nested block raised it
                raise
            raise OperationError(f"{step.operation.place}: {error}") from error
        except _REFUSALS as error:
            raise OperationError(f"{step.operation.place}: {first_line(error)}") from error
        if self._observer is not None:
            outputs = self._observe(step.operation, bound, outputs)
        return outputs

    def _compute(
        self,
        step: PlannedOperation,
        bound: Sequence[tuple[Parameter, Sequence[object]]],
        values: Mapping[str, object],
    ) -> tuple:
        as_held = step.operator.moves_data or step.operator.half_kernel
        numerics = None if as_held else self._numerics
        arguments = {
            parameter.name: parameter.convert(items, numerics) for parameter, items in bound
        }
        if step.operator.takes_context:
            arguments["context"] = Context(
                step.operation,
                self._numerics,
                lambda index, inputs: self.run_block(step.blocks[index], inputs, values),
                self._generator_for,
            )
        results = step.operator.function(**arguments)
        return results if isinstance(results, tuple) else (results,)

    def _observe(
        self,
        operation: Operation,
        bound: Sequence[tuple[Parameter, Sequence[object]]],
        outputs: dict[str, object],
    ) -> dict[str, object]:
        """Show an operation to the observer. Return the outputs, or those that the observer returned."""
        arguments = {parameter.name: _unwrap(items) for parameter, items in bound}
        replaced = self._observer(operation, arguments, tuple(outputs.values()))
        if replaced is None:
            return outputs
        try:
            return _held(operation, replaced, self._numerics)
        except OperationError as error:
            raise OperationError(f"{operation.place}: the observer {error}") from error

    def _generator_for(self, seed: int) -> torch.Generator:
        return self._generator if seed < 0 else torch.Generator().manual_seed(seed)

    def _keep(self, values: Mapping[str, object]) -> None:
        if self._wanted:
            self.kept.update((name, values[name]) for name in self._wanted & values.keys())


def _look_up(binding: Reference | Constant, values: Mapping[str, object]) -> object:
    return values[binding.name] if isinstance(binding, Reference) else binding


def _unwrap(items: Sequence[object]) -> object:
    return items[0] if len(items) == 1 else list(items)


def _held(operation: Operation, results: tuple, numerics: Numerics) -> dict[str, object]:
    """Return results by name, in the types that hold them.

    Raises:
        OperationError: the results are not as declared.
    """
    if len(results) != len(operation.outputs):
        raise OperationError(
            f"gives {len(results)} outputs, but the program declares {len(operation.outputs)}"
        )
    held = {}
    for output, value in zip(operation.outputs, results, strict=True):
        if isinstance(output.type, TensorType):
            value = _held_tensor(value, output.type, numerics)
        held[output.name] = value
    return held


def _held_tensor(value: object, declared: TensorType, numerics: Numerics) -> Tensor:
    if not isinstance(value, Tensor):
        raise OperationError(f"gives a {type(value).__name__}, but the program declares {declared}")
    if value.is_floating_point() and not declared.dtype.is_float:
        raise OperationError(f"gives {value.dtype}, but the program declares {declared}")
    if declared.shape is not None and (
        len(declared.shape) != value.dim()
        or any(a not in (None, b) for a, b in zip(declared.shape, value.shape, strict=True))
    ):
        raise OperationError(
            f"gives the shape {list(value.shape)}, but the program declares {declared}"
        )
    return value.to(numerics.held_in(declared.dtype))
