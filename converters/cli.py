"""The ``convert`` command."""

import contextlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from converters.calibration_photos import require_photo_folder
from converters.mixed_precision.table import TradeOffTable
from converters.options import artifact_path, format_options, require_prompt_slots
from converters.output_folder import reserved
from converters.second_process import SecondProcess, write_side_by_side
from converters.size_goal import AUTO
from reference.common.command_line import note, print_json, print_lines, run, version_option, warn
from reference.common.progress import step_bar
from reference.common.torch_settings import prepare_torch
from reference.modeling.variants import get_variant
from reference.options import model_option
from reference.weights.checkpoint_source import require_checkpoint

if TYPE_CHECKING:
    from converters.conversion import Source

# So much longer than the reference for its answers does auto take for as many photos.
_AUTO_COST = 25
# So much longer than the reference for its answers does a step of tuning take.
_STEP_COST = 2.2


def _shared_options(command: Callable) -> Callable:
    options = (
        model_option("The model variant to convert."),
        click.option(
            "--checkpoint",
            default="demo",
            show_default=True,
            metavar="PATH|demo|official|seeded",
            help="The weights: a .pt or .safetensors file, or one of three names. 'demo' comes with this package, "
            "'official' is MobileSAM's own checkpoint (downloaded once), and 'seeded' is untrained.",
        ),
        click.option(
            "--calibration",
            type=click.Path(path_type=Path),
            metavar="FOLDER",
            help="A folder with 1 to 64 photos like those of your users, for which weights are rounded. The default is "
            "six photos that come with this package.",
        ),
        click.option(
            "--output",
            type=click.Path(path_type=Path),
            default=Path("artifacts"),
            show_default=True,
            help="The folder in which the artifact folder is created.",
        ),
        click.option(
            "--prompt-slots",
            type=int,
            default=8,
            show_default=True,
            help="Number of prompt slots of the mask decoder. A point takes one slot and a box takes two.",
        ),
        click.option(
            "--max-size",
            metavar="SIZE",
            help="For auto: the most that both models may take together, such as 7MB. 1 MB is 10⁶ bytes.",
        ),
        click.option(
            "--min-iou",
            type=float,
            metavar="IOU",
            help="For auto: the lowest IoU with the reference that a shown mask may have, on the calibration photos. "
            "0.97 is hard to see.",
        ),
        click.option(
            "--tune",
            type=int,
            metavar="STEPS",
            help="For schemes of few bits: biases and other small parameters learn to make up for the rounding, in so "
            "many steps. 100 is a good start. An interrupted tuning goes on where it was.",
        ),
        click.option("--force", is_flag=True, help="Replace an artifact folder that exists."),
        click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
    )
    for option in reversed(options):
        command = option(command)
    return command


_deployment_target = click.option(
    "--deployment-target",
    metavar="[iOS16|iOS17|iOS18]",
    help="Lowest iOS version that the packages run on. The default is the lowest that supports the quantization "
    "scheme.",
)
_bytecode_version = click.option(
    "--bytecode-version",
    type=int,
    metavar="[5|6|7|8]",
    help="Bytecode version of the .ptl files. The default, 7, loads in every runtime since PyTorch 1.11.",
)


@click.group(name="convert")
@version_option
def convert_command() -> None:
    """Convert MobileSAM to files that run on phones. `validate compare` then checks them against the reference.

    \b
    Examples:
      convert coreml --quantize int8
      convert torchscript --checkpoint mobile_sam.pt --quantize int8
      convert all --checkpoint official --output build/models --force
    """


@convert_command.command(name="torchscript")
@click.option(
    "--quantize",
    "schemes",
    default=["none"],
    multiple=True,
    show_default=True,
    metavar="[none|fp16|int8|auto]",
    help="The quantization scheme. docs/quantization.md says which to choose. Repeat the option for more schemes.",
)
@_bytecode_version
@_shared_options
def torchscript_command(
    schemes: tuple[str, ...], bytecode_version: int | None, **shared: object
) -> None:
    """Convert MobileSAM to TorchScript Lite (.ptl) for Android.

    \b
    Examples:
      convert torchscript --quantize int8
      convert torchscript --checkpoint mobile_sam.pt --bytecode-version 6 --output build/models
    """
    _convert({"torchscript": {"bytecode_version": bytecode_version}}, schemes, **shared)


@convert_command.command(name="coreml")
@click.option(
    "--quantize",
    "schemes",
    default=["fp16"],
    multiple=True,
    show_default=True,
    metavar="[none|fp16|int8|int4|lut8|lut6|lut4|w8a8|auto]",
    help="The quantization scheme. docs/quantization.md says which to choose. Repeat the option for more schemes.",
)
@_deployment_target
@_shared_options
def coreml_command(
    schemes: tuple[str, ...], deployment_target: str | None, **shared: object
) -> None:
    """Convert MobileSAM to Core ML packages (.mlpackage) for iOS. This needs no Mac.

    \b
    Examples:
      convert coreml --quantize int8
      convert coreml --quantize lut6 --checkpoint mobile_sam.pt --deployment-target iOS18
      convert coreml --quantize fp16 --quantize int8 --quantize lut6
      convert coreml --quantize auto --max-size 6MB --deployment-target iOS18
    """
    _convert({"coreml": {"deployment_target": deployment_target}}, schemes, **shared)


@convert_command.command(name="all")
@click.option(
    "--quantize",
    "schemes",
    multiple=True,
    metavar="[none|fp16|int8|auto]",
    help="The quantization scheme of both formats. The default is none for TorchScript and fp16 for Core ML. "
    "Repeat the option for more schemes.",
)
@_deployment_target
@_bytecode_version
@_shared_options
def all_command(
    schemes: tuple[str, ...],
    deployment_target: str | None,
    bytecode_version: int | None,
    **shared: object,
) -> None:
    """Convert MobileSAM to both formats.

    \b
    Examples:
      convert all --quantize int8
      convert all --quantize none --quantize int8
      convert all --checkpoint official --output build/models --force
    """
    _convert(
        {
            "torchscript": {"bytecode_version": bytecode_version},
            "coreml": {"deployment_target": deployment_target},
        },
        schemes or (None,),
        **shared,
    )


def _convert(
    requests: Mapping[str, dict],
    schemes: Sequence[str | None],
    model: str,
    checkpoint: str,
    calibration: Path | None,
    output: Path,
    prompt_slots: int,
    max_size: str | None,
    min_iou: float | None,
    tune: int | None,
    force: bool,
    as_json: bool,
) -> None:
    def goal_of(scheme: str | None) -> dict[str, object]:
        # With several schemes, the goal is that of auto.
        is_for_other = scheme != AUTO and AUTO in schemes
        return {} if is_for_other else {"max_size": max_size, "min_iou": min_iou}

    all_options = [
        format_options(name, scheme, **request, **goal_of(scheme), tune=tune)
        for name, request in requests.items()
        for scheme in dict.fromkeys(schemes)
    ]
    require_prompt_slots(prompt_slots)
    require_checkpoint(checkpoint, get_variant(model))
    if calibration is not None:
        require_photo_folder(calibration)
    folders = [artifact_path(output, options, model) for options in all_options]
    for folder in folders:
        with reserved(folder, force):
            pass  # refuses now. It is not kept, because an import that is interrupted cleans nothing up
    prepare_torch()

    with contextlib.ExitStack() as stack:
        second = None
        if len(requests) > 1:
            second = stack.enter_context(contextlib.closing(SecondProcess()))

        # Imported here, so that --help and refusals do not wait for torch and coremltools.
        from converters.conversion import STEPS, load_source, write_artifact

        for folder in folders:
            stack.enter_context(reserved(folder, force))
        # auto takes as many steps as it needs.
        each = STEPS + (1 + tune if tune else 0)
        total = None if AUTO in schemes else 1 + each * len(all_options)
        on_step = stack.enter_context(step_bar(total))
        on_step("reference")
        source = load_source(checkpoint, model, prompt_slots, calibration)
        if AUTO in schemes:
            note(f"auto takes about {_auto_time(source)} for each format")
        if tune:
            seconds = _STEP_COST * tune * source.reference_seconds
            note(f"{tune} steps of tuning take about {_in_minutes(seconds)} for each artifact")
        show = TradeOffTable().show
        written: list[Path] = []
        try:
            if second is not None:
                write_side_by_side(
                    second,
                    source,
                    all_options,
                    output,
                    force,
                    on_step,
                    show,
                    written.append,
                )
            else:
                for options in all_options:
                    written.append(write_artifact(source, options, output, force, on_step, show))
        except BaseException:
            for folder in written:
                note(f"'{folder}' was written before the error")
            raise
    if source.checkpoint.note:
        note(f"weights of '{source.checkpoint.name}': {source.checkpoint.note}")
    if not source.checkpoint.trained:
        warn(
            f"the weights '{source.checkpoint.name}' are untrained: the masks of this artifact mean nothing"
        )
    results = [_result(folder) for folder in folders]
    if as_json:
        print_json({"artifacts": results})
    else:
        print_lines(line for result in results for line in _summary(result))


def _auto_time(source: "Source") -> str:
    """Say how long the scheme ``auto`` takes, as a multiple of the time for the reference answers."""
    photos = len(source.calibration_photos.pixels) / len(source.goldens.photos)
    return _in_minutes(_AUTO_COST * photos * source.reference_seconds)


def _in_minutes(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return f"{minutes} minute{'' if minutes == 1 else 's'}"


def _result(folder: Path) -> dict:
    import json

    from converters.artifact_layout import MANIFEST_FILE

    manifest = json.loads((folder / MANIFEST_FILE).read_text())
    components = manifest["components"]
    return {
        "folder": str(folder),
        "format": manifest["format"],
        "scheme": manifest["scheme"],
        "checkpoint": manifest["checkpoint"],
        "bytes": sum(component["bytes"] for component in components.values()),
        "files": {component["file"]: component["bytes"] for component in components.values()},
        "layers": {
            name: Counter(component["weights"].values())
            for name, component in components.items()
            if component["weights"]
        },
        "float16": {
            name: component["float16"]
            for name, component in components.items()
            if "float16" in component
        },
    }


def _summary(result: dict) -> list[str]:
    return [
        f"{result['folder']}  {result['bytes'] / 1e6:.1f} MB",
        *(f"  {file}  {size / 1e6:.1f} MB" for file, size in result["files"].items()),
        *(
            f"  {name}: {_layers_summary(layers)}"
            for name, layers in result["layers"].items()
            if result["scheme"] == AUTO
        ),
        *(f"  {name}: {_float16_summary(fit)}" for name, fit in result["float16"].items()),
    ]


def _layers_summary(layers: Mapping[str, int]) -> str:
    """Say how many layers have each format, the most frequent format first."""
    counts = sorted(layers.items(), key=lambda item: (-item[1], item[0]))
    return "; ".join(f"{count} × {weight_format}" for weight_format, count in counts)


def _float16_summary(fit: dict) -> str:
    """Say how a component was made to fit float16, and how much headroom is left."""
    room = fit["headroom"]
    parts = ["fits float16"]
    if room is not None:
        parts[0] += f", even if values are {room:.1f} times as large as on the sample photos"
    if fit["exponents"]:
        scales = (f"{path} by 1/{2**-exponent}" for path, exponent in fit["exponents"].items())
        parts.append(f"scaled without changing the outputs: {', '.join(scales)}")
    if fit["float32"]:
        kinds = sorted({operation.rpartition(": ")[2] for operation in fit["float32"]})
        parts.append(f"kept in float32: {len(fit['float32'])} operations ({', '.join(kinds)})")
    return "; ".join(parts)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run ``convert`` and exit; see ``reference.common.command_line.run``."""
    run(convert_command, arguments)
