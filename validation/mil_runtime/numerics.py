"""How values are computed and held: the numerics that a program is loaded with."""

from dataclasses import dataclass

import torch
from torch import Tensor

from validation.mil_runtime.errors import MilRuntimeError
from validation.mil_runtime.model.value_types import DataType


@dataclass(frozen=True)
class Numerics:
    """A way of computing.

    Attributes:
        name: as ``load`` takes it, and as results state it.
        compute: what floating-point arithmetic is done in.
        rounds: whether every result is rounded, once, to the type that the program declares for it.
            Otherwise all floating-point values are held in ``compute``.
    """

    name: str
    compute: torch.dtype
    rounds: bool

    def held_in(self, dtype: DataType) -> torch.dtype:
        """What holds values that the program declares to be of ``dtype``."""
        return dtype.torch if self.rounds or not dtype.is_float else self.compute

    def widen(self, value: Tensor) -> Tensor:
        """A tensor as arithmetic takes it; integers and booleans as they are."""
        return value.to(self.compute) if value.is_floating_point() else value


#: The numerics that ``load`` knows: name → what computes and what holds results. docs/mil_runtime.md compares them.
NUMERICS = {
    numerics.name: numerics
    for numerics in (
        Numerics("declared", torch.float32, rounds=True),
        Numerics("float32", torch.float32, rounds=False),
        Numerics("float64", torch.float64, rounds=False),
    )
}


def numerics_named(name: str) -> Numerics:
    """The numerics of a name; MilRuntimeError for one that is unknown."""
    if name not in NUMERICS:
        raise MilRuntimeError(f"numerics '{name}': expected one of {', '.join(NUMERICS)}")
    return NUMERICS[name]
