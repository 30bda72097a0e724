"""TorchScript Lite as a format of ``conversion``."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from torch import nn

from converters.export_modules.channels_last.image_encoder import ChannelsLastImageEncoder
from converters.export_modules.channels_last.mask_decoder import ChannelsLastMaskDecoder
from converters.format import Component
from converters.manifest import component_entry, to_json
from converters.quantization.weight_formats import WeightFormat
from converters.torchscript.export import export_torchscript
from converters.torchscript.options import TorchScriptOptions
from converters.torchscript.quantization import CANDIDATE_FORMATS, weight_formats
from converters.torchscript.runtime_operators import android_lite_2_1_0
from reference.modeling.variants import Variant
from reference.weights.checkpoint import Checkpoint


class TorchScriptFormat:
    """Writes a ``.ptl`` file for each component. See ``Format`` for the methods."""

    name = "torchscript"
    modules = MappingProxyType(
        {"image_encoder": ChannelsLastImageEncoder, "mask_decoder": ChannelsLastMaskDecoder}
    )

    def manifest_entries(self, options: TorchScriptOptions) -> dict[str, Any]:
        return {
            "bytecode_version": options.bytecode_version,
            "runtime": android_lite_2_1_0().name,
        }

    def padding_color(self, mean_color: np.ndarray) -> np.ndarray:
        return mean_color

    def weight_formats(
        self, module: nn.Module, options: TorchScriptOptions
    ) -> dict[str, WeightFormat]:
        return weight_formats(module, options.scheme)

    def candidate_formats(self, options: TorchScriptOptions) -> tuple[WeightFormat, ...]:
        return CANDIDATE_FORMATS

    def write(
        self,
        component: Component,
        formats: Mapping[str, WeightFormat],
        variant: Variant,
        checkpoint: Checkpoint,
        options: TorchScriptOptions,
        entries: dict[str, Any],
        folder: Path,
    ) -> dict[str, Any]:
        path = folder / f"{variant.file_stem}_{component.spec.name}.ptl"
        manifest = {"manifest.json": to_json(entries)}
        lite_file = export_torchscript(
            component.module,
            component.spec,
            options,
            path,
            component.inputs,
            manifest,
            formats,
            component.calibration,
        )
        return component_entry(component.spec, path, lite_file.operators, formats)


TORCHSCRIPT = TorchScriptFormat()
