"""Runs the blocks of a function: plans them once, then computes them any number of times."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from reference.common.torch_errors import first_line
from validation.mil_runtime.errors import (
    MilRuntimeError,
    ModelError,
    OperationError,
    UnsupportedOperationError,
)
from validation.mil_runtime.model.program_structure import (
    Block,
    Constant,
    Function,
    Operation,
    Opset,
    Reference,
)
from validation.mil_runtime.model.value_types import TensorType
from validation.mil_runtime.numerics import Numerics
from validation.mil_runtime.operators import find_operator
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
class _Step:
    """An operation with its operator, and the values that no later operation needs."""

    operation: Operation
    operator: Operator
    arguments: tuple[tuple[Parameter, tuple[Reference | Constant, ...]], ...]
    blocks: tuple["_Plan", ...]
    last_used: tuple[str, ...]


@dataclass(frozen=True)
class _Plan:
    """A block that is ready to run. ``constants`` includes values computed only from constants."""

    block: Block
    constants: Mapping[str, Constant]
    steps: tuple[_Step, ...]


class Interpreter:
    """Runs one function, in one kind of numerics.

    Attributes:
        function: the function that it runs.
        numerics: the numerics that it computes in.
    """

    def __init__(self, function: Function, numerics: Numerics) -> None:
        """Plan the function: find every operator, bind arguments, decompress constants.

        Raises:
            UnsupportedOperationError: the runtime does not have an operation.
            ModelError: an operation has other arguments than its operator.
        """
        self.function, self.numerics = function, numerics
        self._plan = _plan_block(function.block, function.opset, numerics, {})

    def value_names(self) -> frozenset[str]:
        """The names of all values that ``run`` can return."""
        return frozenset(_names_in(self._plan))

    def run(
        self,
        inputs: Mapping[str, object],
        seed: int,
        wanted: frozenset[str] = frozenset(),
        observer: Observer | None = None,
    ) -> tuple[dict[str, object], dict[str, object]]:
        """Compute the function.

        Args:
            inputs: a value for each input of the function; tensors have the types of
                ``Numerics.held_in``.
            seed: the seed for random operations without one.
            wanted: names of values to keep, as they are after their last computation.
            observer: a function that is called after each operation. Outputs that it returns replace
                the operation's own, and are converted to the same types.

        Returns:
            The function's outputs by name, and the wanted values.

        Raises:
            OperationError: an operation cannot be computed, or gives another result than it declares.
        """
        run = _Run(self.numerics, seed, wanted, observer)
        values = [inputs[item.name] for item in self.function.inputs]
        with torch.no_grad():
            outputs = run.run_plan(self._plan, values, {})
        return dict(zip(self.function.block.outputs, outputs, strict=True)), run.kept


class _Run:
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

    def run_plan(
        self, plan: _Plan, inputs: Sequence[object], outside: Mapping[str, object]
    ) -> tuple[object, ...]:
        block = plan.block
        values = {name: outside[name] for name in block.captures}
        values.update(plan.constants)
        values.update(zip((item.name for item in block.inputs), inputs, strict=True))
        self._keep(values)
        for step in plan.steps:
            outputs = self.run_step(step, values)
            self._keep(outputs)
            values.update(outputs)
            for name in step.last_used:
                values.pop(name, None)
        return tuple(values[name] for name in block.outputs)

    def run_step(self, step: _Step, values: Mapping[str, object]) -> dict[str, object]:
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
        step: _Step,
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
                lambda index, inputs: self.run_plan(step.blocks[index], inputs, values),
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
        raise OperationError(f"gives {len(results)} outputs, declares {len(operation.outputs)}")
    held = {}
    for output, value in zip(operation.outputs, results, strict=True):
        if isinstance(output.type, TensorType):
            value = _held_tensor(value, output.type, numerics)
        held[output.name] = value
    return held


def _held_tensor(value: object, declared: TensorType, numerics: Numerics) -> Tensor:
    if not isinstance(value, Tensor):
        raise OperationError(f"gives a {type(value).__name__}, declares {declared}")
    if value.is_floating_point() and not declared.dtype.is_float:
        raise OperationError(f"gives {value.dtype}, declares {declared}")
    if declared.shape is not None and (
        len(declared.shape) != value.dim()
        or any(a not in (None, b) for a, b in zip(declared.shape, value.shape, strict=True))
    ):
        raise OperationError(f"gives the shape {list(value.shape)}, declares {declared}")
    return value.to(numerics.held_in(declared.dtype))


def _plan_block(
    block: Block, opset: Opset, numerics: Numerics, outside: Mapping[str, Constant]
) -> _Plan:
    """Plan a block. ``outside`` are constants of the enclosing blocks, which this one may decompress."""
    constants = {name: _widen_constant(value, numerics) for name, value in block.constants.items()}
    releases = _last_uses(block)
    steps = []
    for operation, last_used in zip(block.operations, releases, strict=True):
        step = _plan_step(operation, opset, numerics, last_used, {**outside, **constants})
        if operation.kind.startswith("constexpr_"):
            outputs = _Run(numerics, seed=0).run_step(step, {**outside, **constants})
            constants.update(
                (name, _widen_constant(value, numerics)) for name, value in outputs.items()
            )
        else:
            steps.append(step)
    _drop_decompressed(constants, block, steps)
    return _Plan(block, constants, tuple(steps))


def _widen_constant(value: Constant, numerics: Numerics) -> Constant:
    """Convert a constant to the compute type once, so that no run has to. Its value stays exact."""
    if isinstance(value, list):
        return [_widen_constant(item, numerics) for item in value]
    return numerics.widen(value) if isinstance(value, Tensor) else value


def _drop_decompressed(constants: dict[str, Constant], block: Block, steps: list[_Step]) -> None:
    """Remove constants that only ``constexpr_`` operations used, since they are decoded by now."""
    used = set(block.outputs)
    for step in steps:
        used.update(step.operation.references())
    for operation in block.operations:
        if operation.kind.startswith("constexpr_"):
            for name in set(operation.references()) - used:
                constants.pop(name, None)


def _last_uses(block: Block) -> list[tuple[str, ...]]:
    """Return for each operation the values of the block that no later operation uses."""
    kept = set(block.outputs) | block.captures | set(block.constants)
    releases = []
    for operation in reversed(block.operations):
        names = {*operation.references(), *(output.name for output in operation.outputs)} - kept
        releases.append(tuple(sorted(names)))
        kept |= names
    return releases[::-1]


def _plan_step(
    operation: Operation,
    opset: Opset,
    numerics: Numerics,
    last_used: tuple[str, ...],
    constants: Mapping[str, Constant],
) -> _Step:
    operator = find_operator(operation.kind, opset)
    if operator is None:
        raise UnsupportedOperationError(
            f"{operation.place}: there is no operator '{operation.kind}' in the opset "
            f"{opset.name}: the model cannot be run; convert it without this operator"
        )
    unknown = operation.arguments.keys() - operator.parameters.keys()
    missing = {
        name for name, parameter in operator.parameters.items() if parameter.required
    } - operation.arguments.keys()
    if unknown or missing:
        raise ModelError(
            f"{operation.place}: {_complaint('has no parameter', unknown)}"
            f"{_complaint('lacks', missing)}{operation.kind} of {opset.name} takes "
            f"{', '.join(operator.parameters)}"
        )
    arguments = tuple(
        (
            operator.parameters[name],
            tuple(
                item if isinstance(item, Reference) else _widen_constant(item, numerics)
                for item in bindings
            ),
        )
        for name, bindings in operation.arguments.items()
    )
    blocks = tuple(_plan_block(block, opset, numerics, constants) for block in operation.blocks)
    return _Step(operation, operator, arguments, blocks, last_used)


def _complaint(what: str, names: Iterable[str]) -> str:
    return f"{what} {', '.join(sorted(names))}; " if names else ""


def _names_in(plan: _Plan) -> Iterable[str]:
    yield from plan.constants
    yield from (item.name for item in plan.block.inputs)
    for step in plan.steps:
        yield from (output.name for output in step.operation.outputs)
        for nested in step.blocks:
            yield from _names_in(nested)
