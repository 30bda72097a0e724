"""Converting a checkpoint to an artifact folder, for the ``convert`` command and for Python."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from converters.artifact_layout import FORMATS, GOLDENS_FOLDER, MAX_PROMPT_SLOTS
from converters.coreml.export import CoreMLOptions, PackageMetadata, export_coreml, package_spec
from converters.coreml.schemes import SCHEMES as COREML_SCHEMES
from converters.export_modules import ImageEncoder, MaskDecoder
from converters.goldens import Goldens, compute_goldens, require_finite, write_goldens
from converters.io_spec import (
    DEFAULT_PROMPT_SLOTS,
    ModuleSpec,
    image_encoder_spec,
    mask_decoder_spec,
)
from converters.manifest import PACKAGE, component, description, to_json, write_manifest
from converters.output_folder import require_free, reserved, staged
from converters.samples import PHOTOS, load_photo
from converters.torchscript.export import TorchScriptOptions, export_torchscript
from converters.torchscript.runtime_operators import android_lite_2_1_0
from reference.builder import load_sam
from reference.common.errors import ConversionError, OutputError
from reference.common.input_files import require_utf8
from reference.common.plain_text import quote
from reference.modeling.sam import Sam
from reference.modeling.variants import get_variant
from reference.photos.preprocessing import photo_to_frame
from reference.weights.checkpoint import Checkpoint, resolve_checkpoint

AUTHOR = "MobileSAM: Zhang et al. (2023). Segment Anything: Kirillov et al. (2023). Converted by mobile-sam-export."
LICENSE = "Apache-2.0"

Options = TorchScriptOptions | CoreMLOptions
OnStep = Callable[[str], None]


@dataclass(frozen=True)
class Source:
    """A loaded checkpoint, and the reference answers about the sample photos."""

    sam: Sam
    checkpoint: Checkpoint
    goldens: Goldens
    prompt_slots: int


@dataclass(frozen=True)
class _Component:
    """An exported module with its specification and real inputs."""

    module: torch.nn.Module
    spec: ModuleSpec
    inputs: list[tuple[torch.Tensor, ...]]


def format_options(
    format_name: str,
    quantize: str | None = None,
    deployment_target: str | None = None,
    bytecode_version: int | None = None,
) -> Options:
    """Return the options of a conversion. The arguments and errors are those of ``convert``."""
    if format_name not in FORMATS:
        raise ConversionError(f"format {quote(format_name)}: expected one of {', '.join(FORMATS)}")
    if format_name == "coreml":
        if bytecode_version is not None:
            raise ConversionError("bytecode_version with 'coreml': expected 'torchscript'")
        return CoreMLOptions("fp16" if quantize is None else quantize, deployment_target)
    if deployment_target is not None:
        raise ConversionError("deployment_target with 'torchscript': expected 'coreml'")
    scheme = "none" if quantize is None else quantize
    if bytecode_version is None:
        return TorchScriptOptions(scheme)
    return TorchScriptOptions(scheme, bytecode_version)


def load_source(
    checkpoint: str | Path = "demo",
    model: str = "vit_t",
    prompt_slots: int = DEFAULT_PROMPT_SLOTS,
) -> Source:
    """Load a checkpoint and compute the reference answers about the sample photos.

    Convert the result with ``write_artifact``, as often as needed.

    Args:
        checkpoint: ``"demo"``, ``"official"``, ``"seeded"``, or the path of a ``.pt`` or ``.safetensors`` file.
        model: the name of the variant that the weights belong to.
        prompt_slots: number of prompt slots of the mask decoder. A point takes one slot and a box takes two.

    Raises:
        ConversionError: ``prompt_slots`` is out of range, or the reference answers are not finite.
        MobileSAMError: the model is unknown, or the weights cannot be fetched, read or loaded.
    """
    if not 1 <= prompt_slots <= MAX_PROMPT_SLOTS:
        raise ConversionError(
            f"{prompt_slots} prompt slots: expected 1 to {MAX_PROMPT_SLOTS} (a point takes one, a box two)"
        )
    variant = get_variant(model)
    weights = resolve_checkpoint(checkpoint, variant)
    sam = load_sam(variant, weights)
    goldens = compute_goldens(sam, prompt_slots)
    require_finite(goldens)
    return Source(sam, weights, goldens, prompt_slots)


def artifact_path(output: Path, options: Options, model: str = "vit_t") -> Path:
    """Return the folder that a conversion writes, named after model, format and scheme.

    An example is ``mobile_sam-coreml-int8``.

    Raises:
        OutputError: torch and coremltools cannot write below ``output``.
    """
    require_utf8(output, OutputError)
    return output / f"{get_variant(model).file_stem}-{_format_name(options)}-{options.scheme}"


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
    force: bool = False,
    on_step: OnStep = lambda step: None,
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
        prompt_slots: number of prompt slots of the mask decoder. A point takes one slot and a box takes two.
        deployment_target: for Core ML, the lowest iOS version that the packages run on, such as ``"iOS17"``. The
            default is the lowest that supports the scheme.
        bytecode_version: for TorchScript, the bytecode version of the ``.ptl`` files, 5 to 8. The default is 7.
        force: whether to replace an artifact folder that exists.
        on_step: called with the name of each step when it begins, 1 + ``STEPS`` times.

    Returns:
        The path of the artifact folder.

    Raises:
        ConversionError: the format, the scheme or another option is invalid, or the weights do not fit the scheme.
        OutputError: the artifact folder exists, or cannot be written.
        MobileSAMError: the model is unknown, or the weights cannot be fetched, read or loaded.
    """
    options = format_options(format_name, quantize, deployment_target, bytecode_version)
    with reserved(artifact_path(Path(output), options, model), force):
        on_step("reference")
        source = load_source(checkpoint, model, prompt_slots)
        return write_artifact(source, options, output, force, on_step)


def write_artifact(
    source: Source,
    options: Options,
    output: str | Path = "artifacts",
    force: bool = False,
    on_step: OnStep = lambda step: None,
) -> Path:
    """Convert a loaded checkpoint and write one artifact folder below ``output``.

    Args:
        source: the loaded checkpoint, from ``load_source``.
        options: ``CoreMLOptions`` or ``TorchScriptOptions``, which choose the format and the scheme.
        output: the folder in which the artifact folder is created. It is created too if it is missing.
        force: whether to replace an artifact folder that exists.
        on_step: called with the name of each step when it begins, ``STEPS`` times.

    Returns:
        The path of the artifact folder.

    Raises:
        ConversionError: the model cannot be converted with these options.
        OutputError: the artifact folder exists, or cannot be written.
    """
    variant = source.sam.variant
    folder = artifact_path(Path(output), options, variant.name)
    require_free(folder, force)
    is_coreml = isinstance(options, CoreMLOptions)
    entries = description(
        variant,
        source.checkpoint,
        _format_name(options),
        options.scheme,
        source.prompt_slots,
        _format_entries(options),
        np.rint(source.sam.mean_color) if is_coreml else source.sam.mean_color,
    )
    with staged(folder, force) as partial:
        components = {}
        for part in _components(source, options):
            on_step(part.spec.name)
            components[part.spec.name] = (
                _write_package(part, source, options, entries, partial)
                if isinstance(options, CoreMLOptions)
                else _write_lite_file(part, source, options, entries, partial)
            )
        on_step("goldens")
        write_goldens(source.goldens, partial / GOLDENS_FOLDER, variant.image_size)
        on_step("manifest")
        write_manifest(partial, entries, components)
    return folder


# How often ``write_artifact`` calls ``on_step``.
STEPS = 4


def _format_name(options: Options) -> str:
    return "coreml" if isinstance(options, CoreMLOptions) else "torchscript"


def _format_entries(options: Options) -> dict:
    if isinstance(options, CoreMLOptions):
        return {"deployment_target": options.target}
    return {
        "bytecode_version": options.bytecode_version,
        "runtime": android_lite_2_1_0().name,
    }


def _components(source: Source, options: Options) -> tuple[_Component, _Component]:
    sam, goldens = source.sam, source.goldens
    encoder_inputs = goldens.encoder_inputs()
    if isinstance(options, CoreMLOptions) and COREML_SCHEMES[options.scheme].computes_float16:
        encoder_inputs += _calibration_frames(sam, goldens)
    return (
        _Component(ImageEncoder(sam).eval(), image_encoder_spec(sam.variant), encoder_inputs),
        _Component(
            MaskDecoder(sam).eval(),
            mask_decoder_spec(sam.variant, source.prompt_slots),
            goldens.decoder_inputs(),
        ),
    )


def _calibration_frames(sam: Sam, goldens: Goldens) -> list[tuple[torch.Tensor, ...]]:
    """Return frames of the sample photos that are not goldens, because activation ranges depend on the photo."""
    names = [name for name in PHOTOS if name not in goldens.photos]
    frames = (photo_to_frame(load_photo(name), sam.frame_size, sam.mean_color) for name in names)
    return [(torch.from_numpy(frame),) for frame in frames]


def _write_lite_file(
    part: _Component, source: Source, options: TorchScriptOptions, entries: dict, folder: Path
) -> dict:
    path = folder / f"{source.sam.variant.file_stem}_{part.spec.name}.ptl"
    lite_file = export_torchscript(
        part.module, part.spec, options, path, part.inputs, {"manifest.json": to_json(entries)}
    )
    return component(part.spec, path, lite_file.operators)


def _write_package(
    part: _Component, source: Source, options: CoreMLOptions, entries: dict, folder: Path
) -> dict:
    title = part.spec.name.title().replace("_", "")  # image_encoder → ImageEncoder
    path = folder / f"{source.sam.variant.title}{title}.mlpackage"
    metadata = PackageMetadata(
        author=AUTHOR,
        license=LICENSE,
        version=entries["tools"][PACKAGE],
        entries={
            "model": entries["model"],
            "scheme": f"{options.scheme}: {COREML_SCHEMES[options.scheme].meaning}",
            "checkpoint": source.checkpoint.name,
            "checkpoint_sha256": source.checkpoint.sha256,
            "checkpoint_trained": str(source.checkpoint.trained).lower(),
        },
    )
    package = export_coreml(part.module, part.spec, options, metadata, path, part.inputs)
    entries = component(package_spec(part.spec), path, package.operators)
    return entries if package.float16 is None else entries | {"float16": asdict(package.float16)}
