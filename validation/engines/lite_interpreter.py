"""Runs TorchScript Lite files in torch's lite interpreter, as Android apps do."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.jit.mobile import LiteScriptModule, _load_for_lite_interpreter

from converters.prompt_slots import SlotPrompt
from reference.common.errors import ArtifactError
from reference.common.torch_errors import first_line, is_out_of_memory
from validation.artifacts.artifact import Artifact


def open_engine(artifact: Artifact) -> "LiteInterpreterEngine":
    """Load an artifact's two ``.ptl`` files; ArtifactError if one cannot be loaded."""
    return LiteInterpreterEngine(
        artifact.components["image_encoder"], artifact.components["mask_decoder"]
    )


class LiteInterpreterEngine:
    """An ``Engine`` with torch's lite interpreter.

    Attributes:
        name: name of the engine for results, as in ``Engine``.
    """

    def __init__(self, image_encoder: Path, mask_decoder: Path) -> None:
        """Load two ``.ptl`` files."""
        self.name = f"lite interpreter of torch {torch.__version__.split('+')[0]}"
        self._image_encoder = self._load(image_encoder)
        self._mask_decoder = self._load(mask_decoder)

    def encode(self, frame: Tensor) -> Tensor:
        with self._running("image encoder"):
            return self._image_encoder(frame)

    def decode(self, image_embeddings: Tensor, prompt: SlotPrompt) -> tuple[Tensor, Tensor]:
        with self._running("mask decoder"):
            return self._mask_decoder(image_embeddings, *prompt.tensors)

    def _load(self, path: Path) -> LiteScriptModule:
        with self._running(str(path)):
            return _load_for_lite_interpreter(path)

    @contextlib.contextmanager
    def _running(self, what: str) -> Iterator[None]:
        """Turn errors of the interpreter into an ArtifactError."""
        try:
            with torch.no_grad():
                yield
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            raise ArtifactError(
                f"{what}: the {self.name} cannot run it ({first_line(error)}); convert again"
            ) from error
