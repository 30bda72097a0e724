"""The numerics of a program: the types in which values are computed and held."""

from dataclasses import dataclass

import torch
from torch import Tensor

from validation.mil_runtime.errors import MilRuntimeError
from validation.mil_runtime.model.value_types import DataType


@dataclass(frozen=True)
class Numerics:
    """A way of computing.

    Attributes:
        name: the name that ``load`` takes and that results report.
        compute: the type of floating-point arithmetic.
        rounds: whether every result is rounded once to the type that the program declares.
            Otherwise all floating-point values are held in ``compute``.
    """

    name: str
    compute: torch.dtype
    rounds: bool

    def held_in(self, dtype: DataType) -> torch.dtype:
        """Return the type that holds values which the program declares as ``dtype``."""
        return dtype.torch if self.rounds or not dtype.is_float else self.compute

    def widen(self, value: Tensor) -> Tensor:
        """Convert a floating-point tensor to ``compute``. Integers and booleans stay unchanged."""
        return value.to(self.compute) if value.is_floating_point() else value


#: Name → numerics, for all numerics that ``load`` knows. docs/mil_runtime.md compares them.
NUMERICS = {
    numerics.name: numerics
    for numerics in (
        Numerics("declared", torch.float32, rounds=True),
        Numerics("float32", torch.float32, rounds=False),
        Numerics("float64", torch.float64, rounds=False),
    )
}


def numerics_named(name: str) -> Numerics:
    """Return the numerics with a name.

    Raises:
        MilRuntimeError: the name is unknown.
    """
    if name not in NUMERICS:
        raise MilRuntimeError(f"numerics '{name}': expected one of {', '.join(NUMERICS)}")
    return NUMERICS[name]
