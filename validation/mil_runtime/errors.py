"""The errors that ``mil_runtime`` raises."""

from reference.common.errors import MobileSAMError

DAMAGED = "the model is damaged: convert it again"  # ends the messages about such a model


class MilRuntimeError(MobileSAMError):
    """Base class of the runtime's errors. Names in a model may contain line breaks; messages stay on one line."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.splitlines()))


class ModelError(MilRuntimeError):
    """A package or program is damaged, malformed, or not an ML Program of a known opset."""


class UnsupportedOperationError(ModelError):
    """A program has an operation that the runtime does not have. The message names it and its place."""


class InputError(MilRuntimeError):
    """The input of ``predict`` does not fit the model."""


class OperationError(MilRuntimeError):
    """An operation cannot be computed on its arguments, or gives another result than it declares."""


class InstallError(MilRuntimeError):
    """The runtime cannot replace Core ML in coremltools on this system."""
