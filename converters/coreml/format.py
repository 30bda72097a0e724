"""Core ML as a format of ``conversion``."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from torch import nn

from converters.coreml.options import CoreMLOptions
from converters.coreml.package_spec import package_spec
from converters.coreml.schemes import ALL_SCHEMES, SCHEMES, candidate_formats
from converters.export_modules.channels_first.image_encoder import ChannelsFirstImageEncoder
from converters.export_modules.channels_first.mask_decoder import ChannelsFirstMaskDecoder
from converters.format import Component
from converters.manifest import PACKAGE, component_entry
from converters.quantization.weight_formats import WeightFormat
from converters.quantization.weight_matrix import large_layers
from reference.modeling.variants import Variant
from reference.weights.checkpoint import Checkpoint

if TYPE_CHECKING:
    from converters.coreml.export import CoreMLExporter

AUTHOR = "MobileSAM: Zhang et al. (2023). Segment Anything: Kirillov et al. (2023). Converted by mobile-sam-export."
LICENSE = "Apache-2.0"


class CoreMLFormat:
    """Writes an ``.mlpackage`` for each component. See ``Format`` for the methods."""

    name = "coreml"
    modules = MappingProxyType(
        {"image_encoder": ChannelsFirstImageEncoder, "mask_decoder": ChannelsFirstMaskDecoder}
    )

    def __init__(self) -> None:
        """Start without components."""
        self._exporters: WeakKeyDictionary[Component, CoreMLExporter] = WeakKeyDictionary()

    def manifest_entries(self, options: CoreMLOptions) -> dict[str, Any]:
        return {"deployment_target": options.target}

    def padding_color(self, mean_color: np.ndarray) -> np.ndarray:
        return np.rint(mean_color)  # the frame is an image with 8 bits per channel

    def weight_formats(self, module: nn.Module, options: CoreMLOptions) -> dict[str, WeightFormat]:
        weight_format = SCHEMES[options.scheme].weights_for(options.target)
        return {} if weight_format is None else dict.fromkeys(large_layers(module), weight_format)

    def candidate_formats(self, options: CoreMLOptions) -> tuple[WeightFormat, ...]:
        return candidate_formats(options.target)

    def write(
        self,
        component: Component,
        formats: Mapping[str, WeightFormat],
        variant: Variant,
        checkpoint: Checkpoint,
        options: CoreMLOptions,
        entries: dict[str, Any],
        folder: Path,
    ) -> dict[str, Any]:
        # Imported here, because the other format does not need coremltools.
        from converters.coreml.export import CoreMLExporter
        from converters.coreml.package_files import PackageMetadata

        spec = component.spec
        title = spec.name.title().replace("_", "")  # image_encoder → ImageEncoder
        path = folder / f"{variant.title}{title}.mlpackage"
        metadata = PackageMetadata(
            author=AUTHOR,
            license=LICENSE,
            version=entries["tools"][PACKAGE],
            entries={
                "model": entries["model"],
                "scheme": f"{options.scheme}: {ALL_SCHEMES[options.scheme].meaning}",
                "checkpoint": checkpoint.name,
                "checkpoint_sha256": checkpoint.sha256,
                "checkpoint_trained": str(checkpoint.trained).lower(),
            },
        )
        if component not in self._exporters:
            exporter = CoreMLExporter(
                component.module, spec, component.inputs[0], component.calibration
            )
            self._exporters[component] = exporter
        package = self._exporters[component].export(options, formats, metadata, path)
        entry = component_entry(package_spec(spec), path, package.operators, formats)
        return entry if package.float16 is None else entry | {"float16": asdict(package.float16)}


COREML = CoreMLFormat()
