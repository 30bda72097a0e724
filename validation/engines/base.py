"""What an engine is: something that runs an artifact's two modules."""

from typing import TYPE_CHECKING, Protocol

from reference.common.errors import ArtifactError

if TYPE_CHECKING:  # the command line asks for the engines' names, and shall not wait for torch
    from torch import Tensor

    from converters.prompt_slots import SlotPrompt


class Engine(Protocol):
    """Runs the image encoder and the mask decoder of one artifact.

    Attributes:
        name: what ran, with its version and whatever else decides about its numbers.
    """

    name: str

    def encode(self, frame: "Tensor") -> "Tensor":
        """float32 (1, 3, S, S) RGB in 0…255 → image embeddings, float32 (1, dim, S/16, S/16)."""
        ...

    def decode(self, image_embeddings: "Tensor", prompt: "SlotPrompt") -> "tuple[Tensor, Tensor]":
        """→ float32 mask logits (1, 4, S/4, S/4) and predicted IoU (1, 4)."""
        ...


class EngineDiedError(ArtifactError):
    """An engine in a process of its own that crashed, hung, or ran out of memory; and during what."""
