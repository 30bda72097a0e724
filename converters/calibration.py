"""What the layers of the components read on real photos and prompts, from which rounding and ranges are chosen."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property, partial

from torch import Tensor, nn

from converters.calibration_photos import BUILT_IN, CalibrationPhotos
from converters.export_modules.channels_first.image_encoder import ChannelsFirstImageEncoder
from converters.export_modules.channels_first.mask_decoder import ChannelsFirstMaskDecoder
from converters.goldens import GoldenCase, GoldenPhoto, Goldens, decode_case, encode_photo
from converters.quantization.input_moments import InputMoments, measure_input_moments
from converters.quantization.quantized_weight import QuantizedWeight
from converters.quantization.rounding import round_weights
from converters.quantization.weight_formats import WeightFormat
from converters.quantization.weight_matrix import large_layers
from converters.samples import SampleCase
from reference.modeling.sam import Sam

# Prompts about a photo, in shares of its width and height: points, the label of each, and a box.
_PROMPTS = (
    (((0.5, 0.5),), (1,), None),
    (((0.25, 0.3),), (1,), None),
    (((0.75, 0.3),), (1,), None),
    (((0.3, 0.75),), (1,), None),
    (((0.7, 0.7), (0.1, 0.1)), (1, 0), None),
    ((), (), (0.2, 0.15, 0.8, 0.85)),
    ((), (), (0.05, 0.4, 0.5, 0.95)),
)


class ComponentCalibration:
    """Real inputs of a component, and what its layers read. Both are computed on first use."""

    def __init__(
        self,
        build_module: Callable[[], nn.Module],
        compute_inputs: Callable[[], list[tuple[Tensor, ...]]],
    ) -> None:
        """Take what builds a module, and what computes its inputs.

        The module calls each of its layers with the values that the weight of the layer multiplies.
        """
        self._build_module, self._compute_inputs = build_module, compute_inputs

    @cached_property
    def inputs(self) -> list[tuple[Tensor, ...]]:
        """Real inputs in the order of the component's specification."""
        return self._compute_inputs()

    @cached_property
    def module(self) -> nn.Module:
        """The module, in eval mode. All users share it, so they leave it as it was."""
        return self._build_module().eval()

    @cached_property
    def moments(self) -> InputMoments:
        """Second moments of what the large layers read, by the paths of the layers."""
        return measure_input_moments(self.module, large_layers(self.module), self.inputs)

    def round_weights(
        self, module: nn.Module, formats: Mapping[str, WeightFormat]
    ) -> dict[str, QuantizedWeight]:
        """Quantize weights of a module of any format: path of a layer → how its weight is to be stored.

        Raises:
            ConversionError: blocks of a format do not divide the input channels of a layer.
        """
        # Without formats nothing has to be measured.
        return round_weights(module, formats, self.moments) if formats else {}


def calibrations(
    sam: Sam, calibration_photos: CalibrationPhotos, goldens: Goldens, prompt_slots: int
) -> dict[str, ComponentCalibration]:
    """Return the name of each component → its calibration.

    The layers of the modules of all formats have the same paths. But only the modules for Core ML call all of their
    layers with the values that the weights multiply.

    Args:
        sam: the model.
        calibration_photos: the photos.
        goldens: the goldens. Their photos are encoded already.
        prompt_slots: number of prompt slots of the mask decoder.
    """
    photos = _Photos(sam, calibration_photos, goldens, prompt_slots)
    return {
        "image_encoder": ComponentCalibration(
            partial(ChannelsFirstImageEncoder, sam), photos.frames
        ),
        "mask_decoder": ComponentCalibration(
            partial(ChannelsFirstMaskDecoder, sam), photos.prompts
        ),
    }


class _Photos:
    """The calibration photos with their embeddings, and prompts about them."""

    def __init__(
        self, sam: Sam, photos: CalibrationPhotos, goldens: Goldens, prompt_slots: int
    ) -> None:
        self._sam, self._photos, self._goldens = sam, photos, goldens
        self._prompt_slots = prompt_slots

    @cached_property
    def _encoded(self) -> list[GoldenPhoto]:
        known = self._goldens.photos if self._photos.source == BUILT_IN else {}
        return [
            known.get(name) or encode_photo(self._sam, name, pixels)
            for name, pixels in self._photos.pixels.items()
        ]

    def frames(self) -> list[tuple[Tensor, ...]]:
        """Return inputs of the image encoder, one per photo."""
        return [(photo.frame,) for photo in self._encoded]

    def prompts(self) -> list[tuple[Tensor, ...]]:
        """Return inputs of the mask decoder, several per photo."""
        return [
            (photo.image_embeddings, *case.prompt.tensors)
            for photo in self._encoded
            for case in self._answers(photo)
        ]

    def _answers(self, photo: GoldenPhoto) -> Iterable[GoldenCase]:
        """Answer the prompts about a photo, and refine the answer to the first one."""
        answered: dict[str, GoldenCase] = {}
        for case in _cases(photo):
            if case.slots <= self._prompt_slots:
                answered[case.name] = decode_case(
                    self._sam, case, photo, answered, self._prompt_slots
                )
        return answered.values()


def _cases(photo: GoldenPhoto) -> Iterator[SampleCase]:
    height, width = photo.pixels.shape[:2]
    for number, (points, labels, box) in enumerate(_PROMPTS):
        pixels = tuple((x * width, y * height) for x, y in points)
        if box is not None:
            left, top, right, bottom = box
            box = left * width, top * height, right * width, bottom * height
        yield SampleCase(str(number), photo.name, pixels, labels, box)
        if number == 0:
            yield SampleCase("refined", photo.name, pixels, labels, mask_from="0")
