"""Converting a checkpoint to an artifact folder, for the ``convert`` command and for Python."""

import contextlib
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from converters.artifact_layout import GOLDENS_FOLDER
from converters.calibration import ComponentCalibration, calibrations
from converters.calibration_photos import CalibrationPhotos, built_in_photos, photos_in
from converters.component_tuning import tuned
from converters.coreml.format import COREML
from converters.format import Component, Format, Options
from converters.goldens import Goldens, compute_goldens, require_finite, write_goldens
from converters.io_spec import (
    DEFAULT_PROMPT_SLOTS,
    image_encoder_spec,
    mask_decoder_spec,
)
from converters.manifest import description, write_manifest
from converters.mixed_precision.measured_formats import MeasuredFormats
from converters.mixed_precision.search import MixedPrecisionSearch
from converters.mixed_precision.trade_off import OnTradeOff
from converters.options import artifact_path, format_of, format_options, require_prompt_slots
from converters.output_folder import empty, require_free, reserved, staged
from converters.quantization.weight_formats import WeightFormat
from converters.size_goal import AUTO
from converters.torchscript.format import TORCHSCRIPT
from reference.builder import load_sam
from reference.common.errors import ConversionError
from reference.common.progress import OnStep
from reference.modeling.sam import Sam
from reference.modeling.variants import get_variant
from reference.weights.checkpoint import Checkpoint, resolve_checkpoint

# Component → path of each layer with few bits → how its weight is stored.
WeightPlan = Mapping[str, Mapping[str, WeightFormat]]

# A new format is one more entry here.
FORMATS: Mapping[str, Format] = {item.name: item for item in (TORCHSCRIPT, COREML)}


@dataclass(frozen=True)
class Source:
    """A loaded checkpoint, and the reference answers about the sample photos.

    ``calibrations`` has the name of each component → what its layers read. ``components`` keeps the components of each
    format, so that several schemes share what they have in common. ``measured_formats`` keeps what the scheme ``auto``
    has measured of each choice of formats, so that several goals share it. ``reference_seconds`` is how long the
    reference took for the answers.
    """

    sam: Sam
    checkpoint: Checkpoint
    goldens: Goldens
    prompt_slots: int
    calibration_photos: CalibrationPhotos
    calibrations: Mapping[str, ComponentCalibration]
    reference_seconds: float
    components: dict[str, tuple[Component, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    measured_formats: dict[tuple[WeightFormat, ...], MeasuredFormats] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )


def load_source(
    checkpoint: str | Path = "demo",
    model: str = "vit_t",
    prompt_slots: int = DEFAULT_PROMPT_SLOTS,
    calibration: str | Path | None = None,
) -> Source:
    """Load a checkpoint and compute the reference answers about the sample photos.

    Convert the result with ``write_artifact``, as often as needed.

    Example:
        >>> source = load_source("mobile_sam.pt")
        >>> write_artifact(source, CoreMLOptions("int8"))
        PosixPath('artifacts/mobile_sam-coreml-int8')
        >>> write_artifact(source, TorchScriptOptions("int8"))
        PosixPath('artifacts/mobile_sam-torchscript-int8')

    Args:
        checkpoint: ``"demo"``, ``"official"``, ``"seeded"``, or the path of a ``.pt`` or ``.safetensors`` file.
        model: the name of the variant that the weights belong to.
        prompt_slots: number of prompt slots of the mask decoder, by default 8. A point takes one slot, a box takes two.
        calibration: a folder with 1 to 64 photos, for which weights are rounded. The default is six photos that come
            with scikit-learn and scikit-image.

    Raises:
        ConversionError: ``prompt_slots`` is out of range, the reference answers are not finite, or ``calibration`` has
            no photos, or too many.
        ImageError: a photo in ``calibration`` cannot be read.
        MobileSAMError: the model is unknown, or the weights cannot be fetched, read or loaded.
    """
    require_prompt_slots(prompt_slots)
    variant = get_variant(model)
    weights = resolve_checkpoint(checkpoint, variant)
    sam = load_sam(variant, weights)
    photos = built_in_photos() if calibration is None else photos_in(Path(calibration))
    source = source_of(sam, weights, prompt_slots, photos)
    require_finite(source.goldens)
    return source


def source_of(
    sam: Sam,
    checkpoint: Checkpoint,
    prompt_slots: int = DEFAULT_PROMPT_SLOTS,
    photos: CalibrationPhotos | None = None,
) -> Source:
    """Return a model as a source, with the reference answers about the sample photos. They may be NaN.

    Args:
        sam: the model.
        checkpoint: where its weights come from.
        prompt_slots: number of prompt slots of the mask decoder.
        photos: the calibration photos. The default are those that come with this project.
    """
    photos = built_in_photos() if photos is None else photos
    start = time.monotonic()
    goldens = compute_goldens(sam, prompt_slots)
    seconds = time.monotonic() - start
    return Source(
        sam,
        checkpoint,
        goldens,
        prompt_slots,
        photos,
        calibrations(sam, photos, goldens, prompt_slots),
        seconds,
    )


def convert(
    format_name: str,
    *,
    quantize: str | None = None,
    checkpoint: str | Path = "demo",
    model: str = "vit_t",
    output: str | Path = "artifacts",
    prompt_slots: int = DEFAULT_PROMPT_SLOTS,
    deployment_target: str | None = None,
    bytecode_version: int | None = None,
    calibration: str | Path | None = None,
    max_size: int | str | None = None,
    min_iou: float | None = None,
    tune: int | None = None,
    force: bool = False,
    on_step: OnStep = lambda step: None,
    on_trade_off: OnTradeOff = lambda trade_off: None,
) -> Path:
    """Convert a checkpoint to an artifact folder, like ``convert coreml`` and ``convert torchscript``.

    The folder holds the image encoder, the mask decoder, ``manifest.json`` and ``goldens/``. It appears only once it is
    complete.

    Example:
        >>> convert("coreml", quantize="int8", checkpoint="mobile_sam.pt")
        PosixPath('artifacts/mobile_sam-coreml-int8')

    Args:
        format_name: ``"coreml"`` or ``"torchscript"``.
        quantize: the quantization scheme. The default is ``"fp16"`` for Core ML and ``"none"`` for TorchScript.
        checkpoint: ``"demo"``, ``"official"``, ``"seeded"``, or the path of a ``.pt`` or ``.safetensors`` file.
        model: the name of the variant that the weights belong to.
        output: the folder in which the artifact folder is created.
        prompt_slots: number of prompt slots of the mask decoder, by default 8. A point takes one slot, a box takes two.
        deployment_target: for Core ML, the lowest iOS version that the packages run on, such as ``"iOS17"``. The
            default is the lowest that supports the scheme.
        bytecode_version: for TorchScript, the bytecode version of the ``.ptl`` files, 5 to 8. The default is 7.
        calibration: a folder with 1 to 64 photos, for which weights are rounded. The default is six photos that come
            with scikit-learn and scikit-image.
        max_size: for the scheme ``"auto"``, the most that both models may take together, in bytes or as ``"7MB"``.
        min_iou: for the scheme ``"auto"``, the lowest IoU with the reference that a shown mask may have, on the
            calibration photos.
        tune: for schemes of few bits, the number of steps in which biases, normalizations and small layers learn to
            make up for the rounding. A tuning that was interrupted goes on where it was.
        force: whether to replace an artifact folder that exists.
        on_step: called with the name of each step when it begins.
        on_trade_off: called with each choice of formats that the scheme ``auto`` tried.

    Returns:
        The path of the artifact folder.

    Raises:
        ConversionError: the format, the scheme or another option is invalid, or the weights do not fit the scheme.
        ImageError: a photo in ``calibration`` cannot be read.
        OutputError: the artifact folder exists, or cannot be written.
        MobileSAMError: the model is unknown, or the weights cannot be fetched, read or loaded.
    """
    options = format_options(
        format_name, quantize, deployment_target, bytecode_version, max_size, min_iou, tune
    )
    with reserved(artifact_path(Path(output), options, model), force):
        on_step("reference")
        source = load_source(checkpoint, model, prompt_slots, calibration)
        return write_artifact(source, options, output, force, on_step, on_trade_off)


def write_artifact(
    source: Source,
    options: Options,
    output: str | Path = "artifacts",
    force: bool = False,
    on_step: OnStep = lambda step: None,
    on_trade_off: OnTradeOff = lambda trade_off: None,
) -> Path:
    """Convert a loaded checkpoint and write one artifact folder below ``output``.

    Args:
        source: the loaded checkpoint, from ``load_source``.
        options: ``CoreMLOptions`` or ``TorchScriptOptions``, which choose the format and the scheme.
        output: the folder in which the artifact folder is created. It is created too if it is missing.
        force: whether to replace an artifact folder that exists.
        on_step: called with the name of each step when it begins.
        on_trade_off: called with each choice of formats that the scheme ``auto`` tried.

    Returns:
        The path of the artifact folder.

    Raises:
        ConversionError: the model cannot be converted with these options.
        OutputError: the artifact folder exists, or cannot be written.
    """
    with staged_artifact(source, options, output, force) as (folder, partial):
        fill_artifact(source, options, partial, on_step, on_trade_off)
    return folder


@contextlib.contextmanager
def staged_artifact(
    source: Source, options: Options, output: str | Path, force: bool
) -> Iterator[tuple[Path, Path]]:
    """Yield an artifact folder, and a hidden one to fill, which takes its place if the block ends without an error.

    Raises:
        OutputError: the artifact folder exists, or cannot be written.
    """
    folder = artifact_path(Path(output), options, source.sam.variant.name)
    require_free(folder, force)
    with staged(folder, force) as partial:
        yield folder, partial


def fill_artifact(
    source: Source, options: Options, folder: Path, on_step: OnStep, on_trade_off: OnTradeOff
) -> None:
    """Convert a loaded checkpoint, and write the files of the artifact into an empty folder.

    Raises:
        ConversionError: the model cannot be converted with these options.
    """
    variant = source.sam.variant
    chosen = FORMATS[format_of(options)]
    entries = description(
        variant,
        source.checkpoint,
        chosen.name,
        options.scheme,
        source.prompt_slots,
        source.calibration_photos,
        options.tune,
        chosen.manifest_entries(options),
        chosen.padding_color(source.sam.mean_color),
    )

    def write(components: Sequence[Component], plan: WeightPlan) -> dict[str, dict[str, Any]]:
        """Write components, and return their entries in the manifest."""
        written = {}
        for component in components:
            name = component.spec.name
            on_step(name)
            written[name] = chosen.write(
                component, plan[name], variant, source.checkpoint, options, entries, folder
            )
        return written

    components = _components(source, chosen)
    if options.scheme == AUTO:
        measured = _measured_formats(source, chosen.candidate_formats(options))
        search = MixedPrecisionSearch(measured, chosen.name, on_step, on_trade_off)
        plan, component_entries = _write_with_goal(
            search, options, lambda plan: write(components, plan), folder
        )
    else:
        plan = {
            component.spec.name: chosen.weight_formats(component.module, options)
            for component in components
        }
        component_entries = {} if options.tune else write(components, plan)
    if options.tune:
        empty(folder)
        with tuned(components, plan, entries, options.tune, on_step) as learned:
            component_entries = write(learned, plan)
    on_step("goldens")
    write_goldens(source.goldens, folder / GOLDENS_FOLDER, variant.image_size)
    on_step("manifest")
    write_manifest(folder, entries, component_entries)


def _write_with_goal(
    search: MixedPrecisionSearch,
    options: Options,
    write: Callable[[WeightPlan], dict[str, dict[str, Any]]],
    folder: Path,
) -> tuple[WeightPlan, dict[str, dict[str, Any]]]:
    """Write the components that reach the goal of the options, and return their formats and entries.

    Raises:
        ConversionError: the smallest components are larger than they may be.
    """
    max_size = options.max_size
    if max_size is None:
        formats = search.smallest_with(options.min_iou or 0).formats
        return formats, write(formats)
    for attempt in itertools.count():
        found = search.best_within(max_size)
        written = write(found.formats)
        size = sum(entry["bytes"] for entry in written.values())
        search.rest = size - found.size
        is_final = search.best_within(max_size) is found
        if size <= max_size and (is_final or attempt > 0):
            break
        if is_final:
            raise ConversionError(
                f"a size of {max_size / 1e6:g} MB: expected at least {size / 1e6:.2f} MB, the size of the "
                "smallest files of this format"
            )
        empty(folder)
    search.compare_sizes_around(max_size)
    return found.formats, written


# How often ``fill_artifact`` calls ``on_step``.
STEPS = 4


def _components(source: Source, chosen: Format) -> tuple[Component, ...]:
    if chosen.name not in source.components:
        sam, goldens = source.sam, source.goldens
        source.components[chosen.name] = tuple(
            Component(
                chosen.modules[spec.name](sam).eval(), spec, inputs, source.calibrations[spec.name]
            )
            for spec, inputs in (
                (image_encoder_spec(sam.variant), goldens.encoder_inputs()),
                (mask_decoder_spec(sam.variant, source.prompt_slots), goldens.decoder_inputs()),
            )
        )
    return source.components[chosen.name]


def _measured_formats(source: Source, formats: tuple[WeightFormat, ...]) -> MeasuredFormats:
    if formats not in source.measured_formats:
        source.measured_formats[formats] = MeasuredFormats(source.calibrations, formats)
    return source.measured_formats[formats]
