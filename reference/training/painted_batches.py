"""Batches of painted scenes, in this process or ahead of it in others."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from reference.scenes import Scenes, generate_scenes
from reference.scenes.seeds import mixed_seed


@dataclass(frozen=True)
class PictureOptions:
    """Which scenes are shown.

    Attributes:
        crop: side of the pictures in pixels; below the frame's they are crops.
        plain: the share of easy scenes; see ``generate_scenes``.
        zoom: of the pictures, at most: each step's are painted as pieces of a frame up to so many times as large.
    """

    crop: int
    plain: float = 0.0
    zoom: float = 1.0

    def paint(self, pictures: range, frame_size: int, device: torch.device) -> Scenes:
        """The scenes of these seeds, whose first one says how much they are magnified."""
        generator = torch.Generator().manual_seed(mixed_seed(pictures.start))
        zoom = self.zoom ** torch.rand((), generator=generator).item()
        frame = round(frame_size * zoom)
        return generate_scenes(pictures, self.crop, device=device, frame=frame, plain=self.plain)


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
    """Paints scenes, and says what is to be learned from them; sent to other processes."""

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
