"""The options of a conversion to TorchScript Lite. The module imports nothing heavy."""

from dataclasses import dataclass

from converters.size_goal import AUTO, require_goal
from converters.tuning.steps import require_steps
from reference.common.errors import ConversionError

SCHEMES = ("none", "fp16", "int8")  # how weights are stored; all schemes compute in float32
FLOAT_SCHEMES = ("none", "fp16")
BYTECODE_VERSIONS = range(5, 9)


@dataclass(frozen=True)
class TorchScriptOptions:
    """Options of a conversion to TorchScript Lite.

    Attributes:
        scheme: the quantization scheme. ``"none"`` is float32. ``"fp16"`` stores weights in float16 and computes in
            float32. ``"int8"`` stores most weights in int8 and computes in float32. ``"auto"`` chooses for each layer,
            and needs ``max_size`` or ``min_iou``.
        bytecode_version: bytecode version of the ``.ptl`` files, 5 to 8. Runtimes that refuse 8 ("version must be
            between 3 and 7") accept the default, 7. Outputs, size and speed of 7 and 8 are the same (measured:
            identical outputs, ±2 kB, 0.80 s and 0.78 s).
        max_size: for ``"auto"``, the most bytes that both files may have.
        min_iou: for ``"auto"``, the lowest IoU that a shown mask may have on the calibration photos.
        tune: the number of steps in which biases, normalizations and small layers learn to make up for the rounding.

    Raises:
        ConversionError: the scheme or the version is unknown, or the scheme and the other options do not fit.
    """

    scheme: str = "none"
    bytecode_version: int = 7
    max_size: int | None = None
    min_iou: float | None = None
    tune: int = 0

    def __post_init__(self) -> None:
        if self.scheme not in (*SCHEMES, AUTO):
            raise ConversionError(
                f"unknown scheme '{self.scheme}' for TorchScript: expected one of "
                f"{', '.join((*SCHEMES, AUTO))}"
            )
        require_goal(self.scheme, self.max_size, self.min_iou)
        require_steps(self.tune, self.scheme, FLOAT_SCHEMES)
        if self.bytecode_version not in BYTECODE_VERSIONS:
            raise ConversionError(
                f"bytecode version {self.bytecode_version} cannot be written: expected "
                f"{BYTECODE_VERSIONS.start} to {BYTECODE_VERSIONS.stop - 1}"
            )
