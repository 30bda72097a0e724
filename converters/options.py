"""The options of a conversion, checked before anything heavy is imported."""

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from converters.artifact_layout import MAX_PROMPT_SLOTS
from converters.coreml.options import CoreMLOptions
from converters.size_goal import parse_size
from converters.torchscript.options import TorchScriptOptions
from reference.common.errors import ConversionError, OutputError
from reference.common.input_files import require_utf8
from reference.common.plain_text import quote
from reference.modeling.variants import get_variant

if TYPE_CHECKING:  # it imports torch, which refusals need not wait for
    from converters.format import Options

# The name of each format → the class of its options. A new format is one more entry here.
OPTIONS: Mapping[str, type["Options"]] = {
    "torchscript": TorchScriptOptions,
    "coreml": CoreMLOptions,
}


def format_options(
    format_name: str,
    quantize: str | None = None,
    deployment_target: str | None = None,
    bytecode_version: int | None = None,
    max_size: int | str | None = None,
    min_iou: float | None = None,
    tune: int | None = None,
) -> "Options":
    """Return the options of a conversion. The arguments and errors are those of ``convert``."""
    if format_name not in OPTIONS:
        raise ConversionError(f"format {quote(format_name)}: expected one of {', '.join(OPTIONS)}")
    keywords = {
        "scheme": quantize,
        "deployment_target": deployment_target,
        "bytecode_version": bytecode_version,
        "max_size": parse_size(max_size) if isinstance(max_size, str) else max_size,
        "min_iou": min_iou,
        "tune": tune,
    }
    given = {name: value for name, value in keywords.items() if value is not None}
    for keyword in given:
        owners = [name for name in OPTIONS if _has_option(name, keyword)]
        if format_name not in owners:
            raise ConversionError(
                f"{keyword} is an option of {' and '.join(owners)}: leave it out for {format_name}"
            )
    return OPTIONS[format_name](**given)


def format_of(options: "Options") -> str:
    """Return the name of the format that the options belong to."""
    return next(name for name, kind in OPTIONS.items() if isinstance(options, kind))


def artifact_path(output: Path, options: "Options", model: str = "vit_t") -> Path:
    """Return the folder that a conversion writes, named after model, format and scheme.

    An example is ``mobile_sam-coreml-int8``.

    Raises:
        OutputError: torch and coremltools cannot write below ``output``.
    """
    require_utf8(output, OutputError)
    return output / f"{get_variant(model).file_stem}-{format_of(options)}-{options.scheme}"


def require_prompt_slots(prompt_slots: int) -> None:
    """Raise ConversionError if a mask decoder cannot have this number of prompt slots."""
    if not 1 <= prompt_slots <= MAX_PROMPT_SLOTS:
        raise ConversionError(
            f"{prompt_slots} prompt slots: expected 1 to {MAX_PROMPT_SLOTS} (a point takes one, a box takes two)"
        )


def _has_option(format_name: str, option: str) -> bool:
    return option in (field.name for field in fields(OPTIONS[format_name]))
