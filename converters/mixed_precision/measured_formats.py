"""What the formats of the layers cost, and the best choices among them."""

from collections.abc import Mapping, Sequence
from functools import cached_property

from converters.calibration import ComponentCalibration
from converters.mixed_precision.allocation import Allocation, Candidate, Layer, allocations
from converters.mixed_precision.examination import Examination, Grade
from converters.mixed_precision.sensitivity import RoundedWeights, measure_losses
from converters.quantization.quantized_weight import QuantizedWeight
from converters.quantization.rounding import fits, round_weight
from converters.quantization.weight_formats import WeightFormat
from converters.quantization.weight_matrix import large_layers
from reference.common.progress import OnStep

_FLOAT_BYTES = 2


class MeasuredFormats:
    """What each format costs each large layer, and the grades of the allocations that were tried.

    Everything is computed on first use, and kept. So searches for several sizes measure once.
    """

    def __init__(
        self,
        calibrations: Mapping[str, ComponentCalibration],
        formats: Sequence[WeightFormat],
    ) -> None:
        """Take what the components read.

        Args:
            calibrations: component → its calibration. The decoder has as many inputs about each photo.
            formats: how a weight may be stored, besides float16.
        """
        self._calibrations, self._formats = calibrations, formats
        self._rounded: RoundedWeights = {}
        self._allocations: list[Allocation] = []
        self._grades: dict[int, Grade] = {}

    def allocations(self, on_step: OnStep) -> list[Allocation]:
        """Return the best allocations, the smallest first. ``on_step`` is called with the name of each step."""
        if not self._allocations:
            on_step("rounding")
            self._rounded = self._round()
            on_step("sensitivity")
            self._allocations = self._allocate()
        return self._allocations

    def grade(self, index: int, on_step: OnStep) -> Grade:
        """Return how well the masks of the allocation with this index agree with those of the float model."""
        if index not in self._grades:
            weights = self._weights(self.allocations(on_step)[index])
            examination = self._examination
            on_step("masks")
            self._grades[index] = examination.grade(weights)
        return self._grades[index]

    def _weights(self, allocation: Allocation) -> dict[str, dict[str, QuantizedWeight]]:
        return {
            component: {
                path: self._rounded[Layer(component, path)][weight_format]
                for path, weight_format in formats.items()
            }
            for component, formats in allocation.formats.items()
        }

    @cached_property
    def _photos(self) -> list:
        frames, prompts = (
            self._calibrations[name].inputs for name in ("image_encoder", "mask_decoder")
        )
        each = len(prompts) // len(frames)
        return [
            (frame, prompts[index * each : (index + 1) * each])
            for index, (frame,) in enumerate(frames)
        ]

    @cached_property
    def _modules(self) -> list:
        return [self._calibrations[name].module for name in ("image_encoder", "mask_decoder")]

    @cached_property
    def _examination(self) -> Examination:
        return Examination(*self._modules, self._photos)

    def _round(self) -> RoundedWeights:
        return {
            Layer(component, path): {
                weight_format: round_weight(layer, weight_format, calibration.moments[path])
                for weight_format in self._formats
                if fits(layer, weight_format)
            }
            for component, calibration in self._calibrations.items()
            for path, layer in large_layers(calibration.module).items()
        }

    def _allocate(self) -> list[Allocation]:
        losses = measure_losses(*self._modules, self._photos, self._rounded)
        return allocations(
            {
                layer: [
                    Candidate(None, _FLOAT_BYTES * self._numel(layer), 0.0),
                    *(
                        Candidate(weight_format, weight.size, losses[layer][weight_format])
                        for weight_format, weight in formats.items()
                    ),
                ]
                for layer, formats in self._rounded.items()
            }
        )

    def _numel(self, layer: Layer) -> int:
        module = self._calibrations[layer.component].module
        return module.get_submodule(layer.path).weight.numel()
