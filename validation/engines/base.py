"""The interface of an engine, which runs an artifact's two modules."""

from typing import TYPE_CHECKING, Protocol

from reference.common.errors import ArtifactError

if TYPE_CHECKING:  # so that the command line can list the engines without waiting for torch
    from torch import Tensor

    from converters.prompt_slots import SlotPrompt


class Engine(Protocol):
    """Runs the image encoder and the mask decoder of one artifact.

    Attributes:
        name: the runtime, its version, and everything else that influences its numbers.
    """

    name: str

    def encode(self, frame: "Tensor") -> "Tensor":
        """Encode a frame, float32 (1, 3, S, S) RGB in 0…255, to image embeddings, float32 (1, dim, S/16, S/16)."""
        ...

    def decode(self, image_embeddings: "Tensor", prompt: "SlotPrompt") -> "tuple[Tensor, Tensor]":
        """Decode a prompt to mask logits, float32 (1, 4, S/4, S/4), and predicted IoUs, float32 (1, 4)."""
        ...


class EngineDiedError(ArtifactError):
    """An engine in its own process crashed, hung, or ran out of memory; the message says during which step."""
