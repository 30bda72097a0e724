"""Calibrations of modules with given inputs."""

from collections.abc import Sequence

from torch import Tensor, nn

from converters.calibration import ComponentCalibration


def calibration_of(module: nn.Module, inputs: Sequence[tuple[Tensor, ...]]) -> ComponentCalibration:
    return ComponentCalibration(lambda: module, lambda: list(inputs))
