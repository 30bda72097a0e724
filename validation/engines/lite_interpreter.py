"""TorchScript Lite files in the interpreter that Android apps run them with."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.jit.mobile import LiteScriptModule, _load_for_lite_interpreter

from converters.prompt_slots import SlotPrompt
from reference.common.errors import ArtifactError
from reference.common.torch_errors import TORCH_ALLOCATOR
from validation.artifacts.artifact import Artifact
from validation.documents.verdicts import Unavailable

PHONE_BACKEND = "qnnpack"  # computes quantised operators on Arm; x86's own round differently


def open_engine(artifact: Artifact) -> "LiteInterpreterEngine | Unavailable":
    """Load an artefact's two ``.ptl`` files; ArtifactError if one cannot be loaded."""
    quantized = artifact.scheme == "int8"
    if quantized and PHONE_BACKEND not in torch.backends.quantized.supported_engines:
        return Unavailable(
            f"this build of torch lacks {PHONE_BACKEND}, which int8 runs with on phones: install "
            "an official wheel for Linux or macOS"
        )
    return LiteInterpreterEngine(
        artifact.components["image_encoder"], artifact.components["mask_decoder"], quantized
    )


class LiteInterpreterEngine:
    """torch's lite interpreter; quantised operators are computed as phones compute them."""

    def __init__(self, image_encoder: Path, mask_decoder: Path, quantized: bool) -> None:
        """Load two ``.ptl`` files; ``quantized`` says whether any operator of theirs is."""
        self._quantized = quantized
        backend = f" ({PHONE_BACKEND})" if quantized else ""
        self.name = f"lite interpreter of torch {torch.__version__.split('+')[0]}{backend}"
        self._image_encoder = self._load(image_encoder)
        self._mask_decoder = self._load(mask_decoder)

    def encode(self, frame: Tensor) -> Tensor:
        """See ``Engine``."""
        with self._running("image encoder"):
            return self._image_encoder(frame)

    def decode(self, image_embeddings: Tensor, prompt: SlotPrompt) -> tuple[Tensor, Tensor]:
        """See ``Engine``."""
        with self._running("mask decoder"):
            return self._mask_decoder(image_embeddings, *prompt.tensors)

    def _load(self, path: Path) -> LiteScriptModule:
        # Weights of quantised layers are packed while loading, for the backend of that moment.
        with self._running(str(path)):
            return _load_for_lite_interpreter(path)

    @contextlib.contextmanager
    def _running(self, what: str) -> Iterator[None]:
        """Run as a phone would, and turn the interpreter's complaints into an ArtifactError."""
        backend = torch.backends.quantized.engine
        if self._quantized:
            torch.backends.quantized.engine = PHONE_BACKEND
        try:
            with torch.no_grad():
                yield
        except RuntimeError as error:
            if TORCH_ALLOCATOR in str(error):  # out of memory, which is no fault of the artefact
                raise
            raise ArtifactError(
                f"{what}: the {self.name} cannot run it ({_first_line(error)}); convert again"
            ) from error
        finally:
            torch.backends.quantized.engine = backend


def _first_line(error: RuntimeError) -> str:
    """What went wrong, without the interpreter's own stack."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
