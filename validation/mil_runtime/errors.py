"""What the runtime refuses, and why."""

from reference.common.errors import MobileSAMError


class MilRuntimeError(MobileSAMError):
    """Root of the runtime's errors. Their messages have one line, whatever names a model has."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.splitlines()))


class ModelError(MilRuntimeError):
    """A package or program that is damaged, malformed, or not an ML Program of a known opset."""


class UnsupportedOperationError(ModelError):
    """A program with an operation that the runtime does not have; named, with its place."""


class InputError(MilRuntimeError):
    """What ``predict`` was given is not what the model takes."""


class OperationError(MilRuntimeError):
    """An operation that cannot be computed on the values it was given, or not as it declares."""


class InstallError(MilRuntimeError):
    """The runtime cannot stand in for Core ML in coremltools here."""
