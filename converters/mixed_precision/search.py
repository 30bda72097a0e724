"""Finding the smallest weights that keep the masks, or the best ones of a size."""

from collections.abc import Mapping, Sequence
from functools import cached_property

from converters.calibration import ComponentCalibration
from converters.mixed_precision.allocation import Allocation, Candidate, Layer, allocations
from converters.mixed_precision.examination import Examination, Grade
from converters.mixed_precision.sensitivity import RoundedWeights, measure_losses
from converters.mixed_precision.trade_off import OnTradeOff, TradeOff
from converters.quantization.quantized_weight import QuantizedWeight
from converters.quantization.rounding import fits, round_weight
from converters.quantization.weight_formats import WeightFormat
from converters.quantization.weight_matrix import large_layers
from reference.common.progress import OnStep

_FLOAT_BYTES = 2
_USUAL_REST = 800_000  # bytes
_TOLERANCE = 0.01  # of a size, with which a search is content


# Other sizes that are tried for comparison, relative to the one that was asked for.
_OTHER_SIZES = (0.8, 0.9, 1.15)


class MixedPrecisionSearch:
    """The search for a format of each large layer. What is measured is computed on first use, and kept.

    Attributes:
        rest: bytes that the files have besides the weights. The caller sets it once it has written files.
    """

    def __init__(
        self,
        calibrations: Mapping[str, ComponentCalibration],
        format_name: str,
        formats: Sequence[WeightFormat],
        on_step: OnStep,
        on_trade_off: OnTradeOff,
    ) -> None:
        """Take what the components read.

        Args:
            calibrations: component → its calibration. The decoder has as many inputs about each photo.
            format_name: the file format, for ``on_trade_off``.
            formats: how a weight may be stored, besides float16.
            on_step: called with the name of each step when it begins.
            on_trade_off: called with each allocation that was tried.
        """
        self._calibrations, self._format_name, self._formats = calibrations, format_name, formats
        self._on_step, self._on_trade_off = on_step, on_trade_off
        self._grades: dict[int, Grade] = {}
        self.rest = _USUAL_REST

    def best_within(self, size: int) -> Allocation:
        """Return the best allocation whose files have at most ``size`` bytes, or else the smallest one."""
        return self._try(self._last_within(size - self.rest))

    def compare_sizes_around(self, size: int) -> None:
        """Try allocations of some other sizes, so that users see what a size buys."""
        for factor in _OTHER_SIZES:
            self.best_within(int(factor * size))

    def smallest_with(self, min_iou: float) -> Allocation:
        """Return the smallest allocation that keeps this IoU of each shown mask.

        It is found by bisection, as if a larger allocation always had better masks. The largest one has the weights of
        the reference, so it keeps any IoU.
        """
        lowest, highest = 0, len(self._allocations) - 1
        while self._size(highest) - self._size(lowest) > _TOLERANCE * self._size(lowest):
            middle = self._last_within((self._size(lowest) + self._size(highest)) // 2)
            if middle == lowest:
                break
            self._try(middle)
            if self._grades[middle].min_iou >= min_iou:
                highest = middle
            else:
                lowest = middle
        return self._try(highest)

    def _size(self, index: int) -> int:
        return self._allocations[index].size

    def _last_within(self, size: int) -> int:
        fitting = [index for index, found in enumerate(self._allocations) if found.size <= size]
        return fitting[-1] if fitting else 0

    def _try(self, index: int) -> Allocation:
        """Grade an allocation, unless it was graded before, and return it."""
        allocation = self._allocations[index]
        if index not in self._grades:
            examination = self._examination
            self._on_step("masks")
            grade = self._grades[index] = examination.grade(self._weights(allocation))
            size = allocation.size + self.rest
            self._on_trade_off(TradeOff(self._format_name, size, grade.min_iou, grade.mean_iou))
        return allocation

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

    @cached_property
    def _rounded(self) -> RoundedWeights:
        self._on_step("rounding")
        return {
            Layer(component, path): {
                weight_format: round_weight(layer, weight_format, calibration.moments[path])
                for weight_format in self._formats
                if fits(layer, weight_format)
            }
            for component, calibration in self._calibrations.items()
            for path, layer in large_layers(calibration.module).items()
        }

    @cached_property
    def _allocations(self) -> list[Allocation]:
        """The best allocations, the smallest first."""
        rounded = self._rounded
        self._on_step("sensitivity")
        losses = measure_losses(*self._modules, self._photos, rounded)
        return allocations(
            {
                layer: [
                    Candidate(None, _FLOAT_BYTES * self._numel(layer), 0.0),
                    *(
                        Candidate(weight_format, weight.size, losses[layer][weight_format])
                        for weight_format, weight in formats.items()
                    ),
                ]
                for layer, formats in rounded.items()
            }
        )

    def _numel(self, layer: Layer) -> int:
        module = self._calibrations[layer.component].module
        return module.get_submodule(layer.path).weight.numel()
