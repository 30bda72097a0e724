"""The distillation of MobileSAM: the small image encoder learns the image embeddings of a teacher.

Source: MobileSAM (Zhang et al., 2023, section 3.2, "decoupled distillation"). The loss is the mean squared error of the
embeddings. The prompt encoder and the mask decoder are those of the teacher and do not change.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from reference.common.errors import TrainingError
from reference.modeling.sam import Sam
from reference.photos.images import read_image
from reference.photos.photo_files import PHOTO_SUFFIXES
from reference.photos.preprocessing import photo_to_frame
from reference.training.teacher import TeacherImageEncoder
from reference.weights.checkpoint import load_weights
from reference.weights.official_names import official_name


class EmbeddingError(nn.Module):
    """The loss as a module, which contains only the student."""

    def __init__(self, image_encoder: nn.Module) -> None:
        super().__init__()
        self.image_encoder = image_encoder

    def forward(
        self, batch: tuple[Tensor, Tensor], generator: torch.Generator
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the mean squared error of the embeddings of a batch, and for the log its share of their variance.

        A batch holds pixels and the teacher's embeddings of them.
        """
        pixels, wanted = batch
        loss = (self.image_encoder(pixels).float() - wanted).square().mean()
        return loss, {"unexplained": (loss / wanted.var()).detach()}


class DistillationTask:
    """A ``Task`` of the trainer that distills a teacher on photos."""

    def __init__(self, sam: Sam, teacher: TeacherImageEncoder, photos: Sequence[Path]) -> None:
        """Prepare the task.

        Raises:
            TrainingError: the teacher has another frame than the model, or there are no photos.
        """
        if teacher.frame_size != sam.frame_size:
            raise TrainingError(
                f"the teacher's frame is {teacher.frame_size} pixels wide: expected {sam.frame_size}, "
                "the width of the model's frame; choose another --model"
            )
        if not photos:
            raise TrainingError(f"no photos: expected files ending in {', '.join(PHOTO_SUFFIXES)}")
        self.sam, self.teacher, self.photos = sam, teacher, photos
        self.module = EmbeddingError(sam.image_encoder)

    def batches(self, numbers: Iterable[range]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield photos and their teacher embeddings. Each pass over the photos has its own random order."""
        return map(self._batch, numbers)

    @torch.no_grad()
    def _batch(self, pictures: range) -> tuple[Tensor, Tensor]:
        frames = [self._frame(number) for number in pictures]
        pixels = (torch.cat(frames).to(self.sam.device) - self.sam.pixel_mean) / self.sam.pixel_std
        return pixels, self.teacher(pixels).float()

    def _frame(self, number: int) -> Tensor:
        passes, index = divmod(number, len(self.photos))
        order = torch.randperm(len(self.photos), generator=torch.Generator().manual_seed(passes))
        photo = read_image(self.photos[order[index]])
        return torch.from_numpy(photo_to_frame(photo, self.sam.frame_size, self.sam.mean_color))


def load_decoder(sam: Sam, weights: Mapping[str, Tensor], name: str) -> None:
    """Load the prompt encoder and the mask decoder of the teacher's checkpoint into a model.

    Args:
        sam: the model.
        weights: official tensor name → tensor, of the whole teacher.
        name: name of the checkpoint, for error messages.

    Raises:
        CheckpointError: the tensors do not fit the model.
    """
    own = {official_name(key): tensor for key, tensor in sam.state_dict().items()}
    encoder = {key: own[key] for key in own if key.startswith("image_encoder.")}
    rest = {key: weights[key] for key in weights if not key.startswith("image_encoder.")}
    load_weights(sam, encoder | rest, f"'{name}'")
