"""The interface of a format, which is what ``conversion`` needs to write an artifact in it.

A new format is a folder beside ``coreml/`` and ``torchscript/`` with a ``format.py``, an entry in
``conversion.FORMATS``, one in ``options.OPTIONS``, and its name in ``artifact_layout.FORMATS``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from torch import Tensor, nn

from converters.calibration import ComponentCalibration
from converters.io_spec import ModuleSpec
from converters.quantization.weight_formats import WeightFormat
from reference.modeling.sam import Sam
from reference.modeling.variants import Variant
from reference.weights.checkpoint import Checkpoint


@dataclass(frozen=True, eq=False)
class Component:
    """An export module for all schemes of a format.

    Attributes:
        module: the module.
        spec: its inputs and outputs.
        inputs: the inputs of the goldens.
        calibration: more inputs, and what the layers of the module read.
    """

    module: nn.Module
    spec: ModuleSpec
    inputs: list[tuple[Tensor, ...]]
    calibration: ComponentCalibration


class Options(Protocol):
    """The options of a conversion: a frozen dataclass of the format, with a default for each.

    Its fields are the scheme, and keywords of ``converters.convert``. A value that the format cannot do raises
    ConversionError.
    """

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def scheme(self) -> str:
        """The name of the quantization scheme."""
        ...

    @property
    def max_size(self) -> int | None:
        """For the scheme ``auto``: the most bytes that all models may have together. Or else there is a ``min_iou``."""
        ...

    @property
    def min_iou(self) -> float | None:
        """For the scheme ``auto``: the lowest IoU that a shown mask may have on the calibration photos."""
        ...

    @property
    def tune(self) -> int:
        """The number of steps in which floats learn to make up for the rounding of weights."""
        ...


class Format(Protocol):
    """A file format that phones run."""

    @property
    def name(self) -> str:
        """The name in commands, folders and manifests."""
        ...

    @property
    def modules(self) -> Mapping[str, Callable[[Sam], nn.Module]]:
        """The name of each component → the class of its export module, which is built from the reference model."""
        ...

    def manifest_entries(self, options: Any) -> dict[str, Any]:
        """Return what the manifest says about this format alone."""
        ...

    def padding_color(self, mean_color: np.ndarray) -> np.ndarray:
        """Return the color that apps pad the frame with, (3,) RGB in 0…255, as the format can hold it."""
        ...

    def weight_formats(self, module: nn.Module, options: Any) -> Mapping[str, WeightFormat]:
        """Return path of a layer → how its weight is stored, for the layers of a module that have few bits."""
        ...

    def candidate_formats(self, options: Any) -> tuple[WeightFormat, ...]:
        """Return how the scheme ``auto`` may store a weight, besides float16."""
        ...

    def write(
        self,
        component: Component,
        formats: Mapping[str, WeightFormat],
        variant: Variant,
        checkpoint: Checkpoint,
        options: Any,
        entries: dict[str, Any],
        folder: Path,
    ) -> dict[str, Any]:
        """Convert a component, write it to a folder, and return its entry in the manifest.

        Args:
            component: what to convert.
            formats: path of a layer → how its weight is stored. The others are floats.
            variant: names the files.
            checkpoint: the weights, for metadata.
            options: the options of the format.
            entries: the manifest's other entries, which files may carry along.
            folder: the artifact's folder.

        Raises:
            ConversionError: the component cannot be converted with these options.
            OutputError: the folder cannot be written.
        """
        ...
