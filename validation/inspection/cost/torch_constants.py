"""The constants of a TorchScript module: their bytes in the file, and their bytes as operators take them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from validation.inspection.cost.component import Parameters
from validation.inspection.cost.torch_multiply_adds import WITH_WEIGHT

_CAST = "aten::to"


@dataclass
class _Entry:
    """One stored tensor."""

    count: int
    stored_bytes: int
    computed_bytes: int


class TorchConstants:
    """The constants that a program takes, each counted once however many modules share it."""

    def __init__(self) -> None:
        """Start without constants; ``meta`` adds them."""
        self._entries: dict[int, _Entry] = {}  # address of a storage → its entry
        self._meta: dict[int, Tensor] = {}  # address of a storage → its meta tensor
        self._entry_of: dict[int, _Entry] = {}  # identity of a meta storage → entry of its constant
        # Identity of a meta storage → path of the constant that it is, or is derived from.
        self._paths: dict[int, str] = {}
        self._kept: list = []  # keeps objects alive whose addresses or identities are keys

    def meta(self, value: object, path: str | None) -> object:
        """Add a constant, and return it as a tensor on the meta device.

        Any other value is only returned. So are tensors of a single number, because sizes are computed from them.
        """
        if not isinstance(value, Tensor) or value.dim() == 0:
            return value
        storage = value.untyped_storage()
        address = storage.data_ptr()
        if address not in self._meta:
            whole = torch.empty(0, dtype=value.dtype).set_(storage)
            self._meta[address] = whole.to("meta")
            self._kept.append(whole)
            entry = _Entry(whole.numel(), storage.nbytes(), storage.nbytes())
            self._entries[address] = entry
            self._entry_of[_identity(self._meta[address])] = entry
        base = self._meta[address]
        tensor = base.as_strided(value.shape, value.stride(), value.storage_offset())
        if path is not None:
            self._paths.setdefault(_identity(tensor), path)
        return tensor

    def holds(self, tensor: Tensor) -> bool:
        """Whether a meta tensor is a constant or a view of one."""
        return _identity(tensor) in {_identity(item) for item in self._meta.values()}

    def derive(self, kind: str, read: Sequence[Tensor], made: Sequence[Tensor]) -> None:
        """Follow constants through operations that take nothing else: casts and dequantization."""
        known = [_identity(tensor) for tensor in read if _identity(tensor) in self._paths]
        if len(known) != len(read) or not known:
            return
        for tensor in made:
            self._paths.setdefault(_identity(tensor), self._paths[known[0]])
        entry = self._entry_of.get(known[0])
        if kind == _CAST and entry is not None:
            entry.computed_bytes = made[0].untyped_storage().nbytes()

    def weight_path(self, kind: str, arguments: Sequence) -> str | None:
        """Path of the attribute that is an operator's weight, or that the weight was computed from."""
        if kind not in WITH_WEIGHT:
            return None
        return self._paths.get(_identity(arguments[1]))

    def parameters(self) -> Parameters:
        """The sums over all constants."""
        entries = self._entries.values()
        return Parameters(
            count=sum(entry.count for entry in entries),
            stored_bytes=sum(entry.stored_bytes for entry in entries),
            computed_bytes=sum(entry.computed_bytes for entry in entries),
        )


def _identity(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata
