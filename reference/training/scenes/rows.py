"""Records of tensors that share their first dimension: one row per object."""

import dataclasses
from typing import Self

import torch
from torch import Tensor


@dataclasses.dataclass(frozen=True)
class Rows:
    """Base of dataclasses whose fields are all tensors of shape (n, …), or such records themselves."""

    def __getitem__(self, rows: Tensor | slice) -> Self:
        """Some of the rows, by their indices or as a slice."""
        return self._map(lambda field: field[rows])

    def to(self, device: torch.device | str) -> Self:
        """The same rows on another device."""
        return self._map(lambda field: field.to(device))

    def flatten(self) -> Self:
        """(B, K, …) → (B*K, …)."""
        return self._map(lambda field: field.flatten(0, 1))

    def _map(self, function) -> Self:
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return type(self)(
            **{
                name: value._map(function) if isinstance(value, Rows) else function(value)
                for name, value in fields.items()
            }
        )


def indices(condition: Tensor) -> Tensor:
    """Where a bool (n,) tensor is True: int64 (m,)."""
    return condition.nonzero().flatten()
