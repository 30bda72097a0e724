"""The options of a conversion to Core ML. The module imports nothing heavy."""

from dataclasses import dataclass

from converters.coreml.schemes import SCHEMES
from reference.common.errors import ConversionError

DEPLOYMENT_TARGETS = ("iOS16", "iOS17", "iOS18")  # lowest first


@dataclass(frozen=True)
class CoreMLOptions:
    """Options of a conversion to Core ML.

    Attributes:
        scheme: the quantization scheme: ``"none"`` (float32), ``"fp16"``, ``"int8"``, ``"int4"``, ``"lut8"``,
            ``"lut6"``, ``"lut4"`` or ``"w8a8"``.
        deployment_target: the lowest iOS version that the package runs on: ``"iOS16"``, ``"iOS17"`` or ``"iOS18"``.
            None stands for the lowest version that supports the scheme.

    Raises:
        ConversionError: the scheme or the target is unknown, or the target does not support the scheme.
    """

    scheme: str = "fp16"
    deployment_target: str | None = None

    def __post_init__(self) -> None:
        if self.scheme not in SCHEMES:
            raise ConversionError(
                f"unknown Core ML scheme '{self.scheme}': expected one of {', '.join(SCHEMES)}"
            )
        if self.deployment_target is None:
            return
        if self.deployment_target not in DEPLOYMENT_TARGETS:
            raise ConversionError(
                f"unknown deployment target '{self.deployment_target}': expected one of "
                f"{', '.join(DEPLOYMENT_TARGETS)}"
            )
        lowest = SCHEMES[self.scheme].minimum_target
        if DEPLOYMENT_TARGETS.index(self.deployment_target) < DEPLOYMENT_TARGETS.index(lowest):
            raise ConversionError(
                f"{self.deployment_target} does not support the scheme '{self.scheme}': "
                f"expected {lowest} or later; or leave the deployment target out"
            )

    @property
    def target(self) -> str:
        """The deployment target of the package: the requested one, or the lowest that supports the scheme."""
        return self.deployment_target or SCHEMES[self.scheme].minimum_target
