"""The options of a conversion to Core ML. The module imports nothing heavy."""

from dataclasses import dataclass

from converters.coreml.schemes import ALL_SCHEMES, FLOAT_SCHEMES
from converters.size_goal import require_goal
from converters.tuning.steps import require_steps
from reference.common.errors import ConversionError

DEPLOYMENT_TARGETS = ("iOS16", "iOS17", "iOS18")  # lowest first


@dataclass(frozen=True)
class CoreMLOptions:
    """Options of a conversion to Core ML.

    Attributes:
        scheme: the quantization scheme: ``"none"`` (float32), ``"fp16"``, ``"int8"``, ``"int4"``, ``"lut8"``,
            ``"lut6"``, ``"lut4"``, ``"w8a8"``, or ``"auto"``, which needs ``max_size`` or ``min_iou``.
        deployment_target: the lowest iOS version that the package runs on: ``"iOS16"``, ``"iOS17"`` or ``"iOS18"``.
            None stands for the lowest version that supports the scheme.
        max_size: for ``"auto"``, the most bytes that both packages may have.
        min_iou: for ``"auto"``, the lowest IoU that a shown mask may have on the calibration photos.
        tune: the number of steps in which biases, normalizations and small layers learn to make up for the rounding.

    Raises:
        ConversionError: the scheme or the target is unknown, the target does not support the scheme, or the scheme
            and the other options do not fit.
    """

    scheme: str = "fp16"
    deployment_target: str | None = None
    max_size: int | None = None
    min_iou: float | None = None
    tune: int = 0

    def __post_init__(self) -> None:
        if self.scheme not in ALL_SCHEMES:
            raise ConversionError(
                f"unknown Core ML scheme '{self.scheme}': expected one of {', '.join(ALL_SCHEMES)}"
            )
        require_goal(self.scheme, self.max_size, self.min_iou)
        require_steps(self.tune, self.scheme, FLOAT_SCHEMES)
        if self.deployment_target is None:
            return
        if self.deployment_target not in DEPLOYMENT_TARGETS:
            raise ConversionError(
                f"unknown deployment target '{self.deployment_target}': expected one of "
                f"{', '.join(DEPLOYMENT_TARGETS)}"
            )
        lowest = ALL_SCHEMES[self.scheme].minimum_target
        if DEPLOYMENT_TARGETS.index(self.deployment_target) < DEPLOYMENT_TARGETS.index(lowest):
            raise ConversionError(
                f"{self.deployment_target} does not support the scheme '{self.scheme}': "
                f"expected {lowest} or later; or leave the deployment target out"
            )

    @property
    def target(self) -> str:
        """The deployment target of the package: the requested one, or the lowest that supports the scheme."""
        return self.deployment_target or ALL_SCHEMES[self.scheme].minimum_target
