"""The structure of an ML Program: functions, blocks, operations and constants."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

from torch import Tensor

from validation.mil_runtime.model.value_types import ValueType

# The value of a constant: a tensor of type ``DataType.torch``, a text, or a list of these.
Constant = Tensor | str | list


class Opset(IntEnum):
    """The core opsets, named by the release that introduced them."""

    iOS15 = 5
    iOS16 = 6
    iOS17 = 7
    iOS18 = 8
    iOS26 = 9

    @property
    def label(self) -> str:
        """The opset's name in programs, such as ``CoreML5``."""
        return f"CoreML{self.value}"


@dataclass(frozen=True)
class Reference:
    """An argument that refers by name to an input or to an output of another operation."""

    name: str


@dataclass(frozen=True)
class Output:
    """The name and type of an operation's output, or of an input of a block or function."""

    name: str
    type: ValueType


@dataclass(frozen=True)
class Operation:
    """One operation.

    Attributes:
        name: the operation's name, or that of its first output if it has none.
        kind: the name of the operator, such as "conv".
        arguments: parameter → the values bound to it, in order. Most parameters have one.
        outputs: the outputs, in order.
        blocks: the nested blocks, in order.
        place: the operation's place in the program, for messages.
    """

    name: str
    kind: str
    arguments: Mapping[str, tuple[Reference | Constant, ...]]
    outputs: tuple[Output, ...]
    blocks: tuple["Block", ...]
    place: str

    def references(self) -> Iterator[str]:
        """Yield the names of the values that it uses, including those that its blocks take from outside."""
        for bindings in self.arguments.values():
            yield from (binding.name for binding in bindings if isinstance(binding, Reference))
        for block in self.blocks:
            yield from block.captures


@dataclass(frozen=True)
class Block:
    """A block of operations.

    Attributes:
        inputs: the inputs, with their types.
        operations: the operations other than ``const``, in order.
        constants: name → value, for the block's ``const`` operations.
        constant_types: name → type, for the same operations.
        outputs: the names of the values that the block returns.
        captures: the names of values from outside that are used inside.
    """

    inputs: tuple[Output, ...]
    operations: tuple[Operation, ...]
    constants: Mapping[str, Constant]
    constant_types: Mapping[str, ValueType]
    outputs: tuple[str, ...]
    captures: frozenset[str]


@dataclass(frozen=True)
class Function:
    """An entry point of a program: its opset and its block."""

    name: str
    opset: Opset
    block: Block

    @property
    def inputs(self) -> tuple[Output, ...]:
        """The name and type of each input."""
        return self.block.inputs
