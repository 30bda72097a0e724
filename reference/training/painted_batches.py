"""Batches of painted scenes, in this process or ahead of it in others."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset


class Batch(Protocol):
    """What a painter makes: tensors that are moved together."""

    def to(self, device: torch.device) -> "Batch":
        """The same on another device."""
        ...

    def pin_memory(self) -> "Batch":
        """The same in memory that a GPU can fetch by itself; a ``DataLoader`` asks for it."""
        ...


AnyBatch = TypeVar("AnyBatch", bound=Batch, covariant=True)


class Painter(Protocol[AnyBatch]):
    """Paints scenes, and says what is to be learnt from them; sent to other processes."""

    def paint(self, pictures: range, device: torch.device) -> AnyBatch:
        """The scenes of these seeds, on the device."""
        ...


def painted_batches(
    painter: Painter[AnyBatch], numbers: Iterable[range], device: torch.device, workers: int
) -> Iterator[AnyBatch]:
    """A batch for each range of seeds, on the device.

    Args:
        painter: what makes them.
        numbers: the seeds of each batch.
        device: where they are wanted.
        workers: processes that paint ahead, on the CPU; with 0 this one paints, on the device.
    """
    if not workers:
        return (painter.paint(pictures, device) for pictures in numbers)
    loader = DataLoader(
        _Paintings(painter, list(numbers)),
        batch_size=None,
        num_workers=workers,
        pin_memory=device.type == "cuda",
    )
    return (batch.to(device) for batch in loader)


class _Paintings(Dataset):
    """What workers paint, batch by batch."""

    def __init__(self, painter: Painter, numbers: Sequence[range]) -> None:
        self.painter, self.numbers = painter, numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> Batch:
        return self.painter.paint(self.numbers[index], torch.device("cpu"))
