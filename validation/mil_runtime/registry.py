"""Operators by name and opset, and how a program's arguments reach their Python functions.

An operator is a function decorated with ``operator``. Its signature is the operator's interface:
parameters bear MIL's names and defaults, and an annotation says how an argument is handed over:

=====================  ====================================================================
``Tensor``             a tensor, floating-point ones in the numerics' compute type
``list[Tensor]``       all tensors that are bound to the parameter
``int float bool str`` a scalar, as Python has it
``list[int]`` …        a vector, as a Python list; a scalar becomes a list of one
``TensorList``         a MIL list
``StateCell``          a state that can be read and written
``object``             a value of whatever kind, as it is held
``list[object]``       all values that are bound to the parameter, likewise
``Context``            not an argument: what else there is to know, see the class
``X | None``           may be left out
=====================  ====================================================================

It returns a tensor, or a tuple where the operator has several outputs. The interpreter rounds
results to their declared types; an operator only computes.
"""

import inspect
import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from validation.mil_runtime.errors import OperationError
from validation.mil_runtime.model.program_structure import Operation, Opset
from validation.mil_runtime.model.value_types import TensorType
from validation.mil_runtime.numerics import Numerics


@dataclass(frozen=True)
class TensorList:
    """A MIL list.

    Attributes:
        elements: None where nothing was written yet.
        grows: whether writing beyond its end makes it longer.
    """

    elements: tuple[Tensor | None, ...]
    grows: bool


@dataclass
class StateCell:
    """A tensor that outlives a prediction."""

    value: Tensor


@dataclass(frozen=True)
class Context:
    """What an operator may need to know beyond its arguments.

    Attributes:
        operation: itself, with the declared types of its outputs.
        numerics: what it is computed in.
        run_block: runs the nested block of an index on inputs and gives its outputs.
        generator: seed → source of random numbers; a negative seed means the program's own.
    """

    operation: Operation
    numerics: Numerics
    run_block: Callable[[int, Sequence], tuple]
    generator: Callable[[int], torch.Generator]

    def declared(self, index: int = 0) -> TensorType:
        """Declared type of an output that is a tensor."""
        declared = self.operation.outputs[index].type
        if not isinstance(declared, TensorType):
            raise OperationError(f"{self.operation.place}: expected a tensor as output {index}")
        return declared

    def held_in(self, index: int = 0) -> torch.dtype:
        """What holds an output that is a tensor."""
        return self.numerics.held_in(self.declared(index).dtype)


@dataclass(frozen=True)
class Parameter:
    """A parameter of an operator; ``convert`` takes what is bound to it."""

    name: str
    required: bool
    convert: Callable[[Sequence, Numerics], object]


@dataclass(frozen=True)
class Operator:
    """An operator of one opset and those after it.

    Attributes:
        moves_data: it computes nothing, so that values pass in the type they are held in.
        half_kernel: it takes float16 as it is, and rounds once itself; see ``operator``.
    """

    kind: str
    since: Opset
    function: Callable
    parameters: Mapping[str, Parameter]
    takes_context: bool
    moves_data: bool
    half_kernel: bool


@dataclass
class _Registry:
    versions: dict[str, dict[Opset, Operator]] = field(default_factory=dict)

    def add(self, new: Operator) -> None:
        known = self.versions.setdefault(new.kind, {})
        if new.since in known:
            raise TypeError(f"operator {new.kind} of {new.since.name} is there twice")
        known[new.since] = new


REGISTRY = _Registry()


def operator(
    *kinds: str,
    since: Opset = Opset.iOS15,
    without: Collection[str] = (),
    moves_data: bool = False,
    half_kernel: bool = False,
) -> Callable[[Callable], Callable]:
    """Register a function as the operators ``kinds``, from the opset ``since`` on.

    Decorated several times, one function serves several opsets that differ in their parameters.

    Args:
        without: parameters that a later opset adds; until then they have their defaults.
        moves_data: floating-point tensors are handed over as they are held, not widened.
        half_kernel: the function itself sees to it that float16 is computed with in float32 and
            rounded once, which torch's kernels of one elementwise operation do: it is handed
            tensors as they are held, which spares copies. Constants are float32 nevertheless.
    """

    def register(function: Callable) -> Callable:
        hints = typing.get_type_hints(function)
        signature = inspect.signature(function)
        if unknown := set(without) - signature.parameters.keys():
            raise TypeError(f"{function.__name__} has no parameter {unknown} to go without")
        parameters = {
            name: Parameter(
                name, parameter.default is inspect.Parameter.empty, _converter(hints[name])
            )
            for name, parameter in signature.parameters.items()
            if hints[name] is not Context and name not in without
        }
        takes_context = Context in (hints[name] for name in signature.parameters)
        for kind in kinds:
            REGISTRY.add(
                Operator(kind, since, function, parameters, takes_context, moves_data, half_kernel)
            )
        return function

    return register


def _converter(hint: object) -> Callable[[Sequence, Numerics], object]:
    """What turns the values bound to a parameter into what its annotation promises."""
    if isinstance(hint, types.UnionType):  # X | None: None stands only for "not bound"
        (hint,) = (item for item in typing.get_args(hint) if item is not type(None))
    if hint is Tensor:
        return _one_tensor
    if hint == list[Tensor]:
        return lambda values, numerics: [_tensor(value, numerics) for value in values]
    if hint == list[object]:
        return lambda values, numerics: list(values)
    if hint in (int, float, bool, str):
        return lambda values, numerics: _scalar(_only(values), hint)
    if typing.get_origin(hint) is list:
        (element,) = typing.get_args(hint)
        return lambda values, numerics: _vector(_only(values), element)
    if hint in (TensorList, StateCell, object):
        return lambda values, numerics: _instance(_only(values), hint)
    raise TypeError(f"no way to hand over an argument as {hint}")


def _one_tensor(values: Sequence, numerics: Numerics) -> Tensor:
    return _tensor(_only(values), numerics)


def _tensor(value: object, numerics: Numerics | None) -> Tensor:
    if not isinstance(value, Tensor):
        raise OperationError(f"expected a tensor, got {type(value).__name__}")
    return value if numerics is None else numerics.widen(value)


def _instance(value: object, kind: type) -> object:
    if not isinstance(value, kind):
        raise OperationError(f"expected a {kind.__name__}, got {type(value).__name__}")
    return value


def _only(values: Sequence) -> object:
    if len(values) != 1:
        raise OperationError(f"expected one value, got {len(values)}")
    return values[0]


def _scalar(value: object, kind: type) -> int | float | bool | str:
    if isinstance(value, Tensor) and value.numel() == 1 and kind is not str:
        return kind(value.item())
    if isinstance(value, str) and kind is str:
        return value
    raise OperationError(f"expected one {kind.__name__}, got {_describe(value)}")


def _vector(value: object, element: type) -> list:
    if isinstance(value, Tensor) and value.dim() <= 1:
        return [element(item) for item in value.reshape(-1).tolist()]
    if isinstance(value, list):
        return [item if isinstance(item, element) else _scalar(item, element) for item in value]
    raise OperationError(f"expected a list of {element.__name__}, got {_describe(value)}")


def _describe(value: object) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {list(value.shape)}"
    return type(value).__name__
