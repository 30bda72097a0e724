"""Dataclasses of tensors that share their first dimension, with one row per object."""

import dataclasses
from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor


@dataclasses.dataclass(frozen=True)
class Rows:
    """Base class of dataclasses whose fields are tensors of shape (n, …) or other such dataclasses."""

    def __getitem__(self, rows: Tensor | slice) -> Self:
        """Return some of the rows, by their indices or as a slice."""
        return self.map_fields(lambda field: field[rows])

    def to(self, device: torch.device | str) -> Self:
        """Return the same rows on another device."""
        return self.map_fields(lambda field: field.to(device))

    def flatten(self) -> Self:
        """Flatten the tensors from (B, K, …) to (B*K, …)."""
        return self.map_fields(lambda field: field.flatten(0, 1))

    def map_fields(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Return a copy with a function applied to each tensor."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return type(self)(
            **{
                name: value.map_fields(function) if isinstance(value, Rows) else function(value)
                for name, value in fields.items()
            }
        )


def indices(condition: Tensor) -> Tensor:
    """Return the indices at which a bool (n,) tensor is True: int64 (m,)."""
    return condition.nonzero().flatten()
