"""Registers operators by name and opset, and converts a program's arguments for their Python functions.

An operator is a function decorated with ``operator``. Its signature is the operator's interface.
Parameters have MIL's names and defaults, and an annotation says how an argument is passed:

=====================  ====================================================================
``Tensor``             a tensor, floating-point ones in the numerics' compute type
``list[Tensor]``       all tensors that are bound to the parameter
``int float bool str`` a scalar, as a Python value
``list[int]`` …        a vector, as a Python list; a scalar becomes a list of one
``TensorList``         a MIL list
``StateCell``          a state that can be read and written
``object``             a value of any kind, as the program holds it
``list[object]``       all values that are bound to the parameter, of any kind
``Context``            not an argument, but the context of the operation
``X | None``           an argument that may be left out
=====================  ====================================================================

An operator returns a tensor, or a tuple if it has several outputs. It only computes: the interpreter
rounds results to their declared types.
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
        elements: the elements; None where nothing was written yet.
        grows: whether writing beyond the end makes the list longer.
    """

    elements: tuple[Tensor | None, ...]
    grows: bool


@dataclass
class StateCell:
    """A tensor that persists between predictions."""

    value: Tensor


@dataclass(frozen=True)
class Context:
    """Information that an operator may need in addition to its arguments.

    Attributes:
        operation: the operation, with the declared types of its outputs.
        numerics: the numerics that it is computed in.
        run_block: runs the nested block with an index on inputs, and returns its outputs.
        generator: seed → generator of random numbers; a negative seed means the program's generator.
    """

    operation: Operation
    numerics: Numerics
    run_block: Callable[[int, Sequence], tuple]
    generator: Callable[[int], torch.Generator]

    def declared(self, index: int = 0) -> TensorType:
        """Return the declared type of an output that is a tensor."""
        declared = self.operation.outputs[index].type
        if not isinstance(declared, TensorType):
            raise OperationError(f"{self.operation.place}: expected a tensor as output {index}")
        return declared

    def held_in(self, index: int = 0) -> torch.dtype:
        """Return the torch type that holds an output that is a tensor."""
        return self.numerics.held_in(self.declared(index).dtype)


@dataclass(frozen=True)
class Parameter:
    """A parameter of an operator; ``convert`` converts the values bound to it."""

    name: str
    required: bool
    convert: Callable[[Sequence, Numerics], object]


@dataclass(frozen=True)
class Operator:
    """An operator, as one opset introduces it; later opsets keep it.

    Attributes:
        moves_data: whether it only moves values, so that they keep the type that holds them.
        half_kernel: whether it takes float16 tensors and rounds once itself, as ``operator`` explains.
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
            raise TypeError(f"operator {new.kind} of {new.since.name} is registered twice")
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

    A function may be decorated several times, for opsets that differ in their parameters.

    Args:
        kinds: the names of the operators.
        since: the first opset that has them.
        without: the parameters that only a later opset has. Until then they have their defaults.
        moves_data: whether floating-point tensors are passed in the type that holds them, without
            widening.
        half_kernel: whether the function itself computes float16 in float32 and rounds once, as
            torch's kernels for single elementwise operations do. It gets tensors in the type that
            holds them, which saves copies. Constants are float32 even then.
    """

    def register(function: Callable) -> Callable:
        hints = typing.get_type_hints(function)
        signature = inspect.signature(function)
        if unknown := set(without) - signature.parameters.keys():
            raise TypeError(
                f"{function.__name__} has no parameter {unknown}: expected its own in ``without``"
            )
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
    """Return the function that converts the values of a parameter to the type of its annotation."""
    if isinstance(hint, types.UnionType):  # in X | None, None only means "not bound"
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
    raise TypeError(
        f"an argument cannot be passed as {hint}: expected a type that this module lists"
    )


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
