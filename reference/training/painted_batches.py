"""Painting batches of scenes in the training process, or ahead of it in other processes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from reference.scenes import Scenes, generate_scenes
from reference.scenes.seeds import mixed_seed


@dataclass(frozen=True)
class PictureOptions:
    """Options of the scenes that a training shows.

    Attributes:
        crop: side of the pictures in pixels. If it is smaller than the frame, the pictures are crops of the frame.
        plain: share of easy scenes; see ``generate_scenes``.
        zoom: largest magnification of the pictures. In each step they are painted as pieces of a frame that is larger
            by a random factor up to this one.
    """

    crop: int
    plain: float = 0.0
    zoom: float = 1.0

    def paint(self, pictures: range, frame_size: int, device: torch.device) -> Scenes:
        """Paint the scenes with these seeds. The first seed determines their magnification."""
        generator = torch.Generator().manual_seed(mixed_seed(pictures.start))
        zoom = self.zoom ** torch.rand((), generator=generator).item()
        frame = round(frame_size * zoom)
        return generate_scenes(pictures, self.crop, device=device, frame=frame, plain=self.plain)


class Batch(Protocol):
    """The result of a painter: tensors that are moved together."""

    def to(self, device: torch.device) -> "Batch":
        """Return the same batch on another device."""
        ...

    def pin_memory(self) -> "Batch":
        """Return the same batch in pinned memory, which a GPU can read directly. A ``DataLoader`` calls this."""
        ...


AnyBatch = TypeVar("AnyBatch", bound=Batch, covariant=True)


class Painter(Protocol[AnyBatch]):
    """Paints scenes together with the answers to learn. It must be picklable, because worker processes receive it."""

    def paint(self, pictures: range, device: torch.device) -> AnyBatch:
        """Paint the scenes with these seeds on the device."""
        ...


def painted_batches(
    painter: Painter[AnyBatch], numbers: Iterable[range], device: torch.device, workers: int
) -> Iterator[AnyBatch]:
    """Yield a batch on the device for each range of seeds.

    Args:
        painter: the painter of the batches.
        numbers: the seeds of each batch.
        device: the device of the batches.
        workers: number of processes that paint ahead on the CPU. With 0, this process paints on the device.
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
    """The batches that workers paint, as a dataset."""

    def __init__(self, painter: Painter, numbers: Sequence[range]) -> None:
        self.painter, self.numbers = painter, numbers

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> Batch:
        return self.painter.paint(self.numbers[index], torch.device("cpu"))
