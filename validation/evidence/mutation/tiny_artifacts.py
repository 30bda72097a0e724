"""Sound artifacts of the tiny model, and the parts that mutants of them are made from."""

import copy
import dataclasses
import functools
import json
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.jit import TracerWarning

from converters.artifact_layout import MANIFEST_FILE
from converters.calibration import ComponentCalibration
from converters.conversion import FORMATS, Source, WeightPlan, write_artifact
from converters.coreml.options import CoreMLOptions
from converters.coreml.schemes import INT4_BLOCK
from converters.format import Options
from converters.goldens import Goldens
from converters.manifest import list_files
from converters.quantization.weight_formats import Integers, Palette, WeightFormat
from converters.quantization.weight_matrix import large_layers
from converters.size_goal import AUTO
from converters.torchscript.archive import reproducible_archive
from converters.torchscript.format import TORCHSCRIPT
from converters.torchscript.options import TorchScriptOptions
from converters.torchscript.quantization import quantize
from validation.stages import IMAGE_ENCODER

OPTIONS = {"torchscript": TorchScriptOptions, "coreml": CoreMLOptions}
EXPORTED = TORCHSCRIPT.modules  # mistakes are made in the modules of .ptl files
INT8_FILES = ("torchscript", "int8")
# For iOS 18 the scheme auto chooses among palettes with scales, blocks of int4, and int8.
AUTO_OPTIONS = CoreMLOptions(AUTO, "iOS18", min_iou=0.9)
# What a manifest says → how a weight is stored.
_FORMATS: Mapping[str, WeightFormat] = {
    str(item): item
    for item in (
        Integers(8),
        Integers(4, INT4_BLOCK),
        *(Palette(bits, scaled) for bits in (2, 3, 4, 6, 8) for scaled in (False, True)),
    )
}


class TinyArtifacts:
    """Converts the tiny model. Each artifact is converted once, when it is first needed."""

    def __init__(self, source: Source, folder: Path) -> None:
        """Take the model, and the folder that the artifacts are written into."""
        self._source, self._folder = source, folder
        self.folder = functools.cache(self._convert)
        self._int8_module = functools.cache(self._quantize_sound_module)

    def _convert(self, format_name: str, scheme: str) -> Path:
        """Return the folder of a sound artifact."""
        folder = write_artifact(self._source, options_of(format_name, scheme), self._folder)
        if (format_name, scheme) == INT8_FILES:
            # The scheme stores only layers in int8 that are larger than those of the tiny model.
            plan = {
                component.spec.name: _int8_formats(component.module)
                for component in self._source.components[format_name]
            }
            self.rewrite(folder, plan)
        return folder

    def plan(self, folder: Path) -> dict[str, dict[str, WeightFormat]]:
        """Return component → path of a layer → how an artifact stores its weight."""
        components = json.loads((folder / MANIFEST_FILE).read_bytes())["components"]
        return {
            name: {path: _FORMATS[text] for path, text in entry["weights"].items()}
            for name, entry in components.items()
        }

    def rewrite(
        self,
        folder: Path,
        plan: WeightPlan,
        calibrations: Mapping[str, ComponentCalibration] | None = None,
    ) -> None:
        """Convert the components of an artifact again, with other formats of weights or other calibrations."""
        path = folder / MANIFEST_FILE
        manifest = json.loads(path.read_bytes())
        chosen = FORMATS[manifest["format"]]
        options = options_of(manifest["format"], manifest["scheme"])
        for component in self._source.components[chosen.name]:
            name = component.spec.name
            old = folder / manifest["components"][name]["file"]
            shutil.rmtree(old) if old.is_dir() else old.unlink()
            if calibrations is not None:
                component = dataclasses.replace(component, calibration=calibrations[name])
            entries = {key: manifest[key] for key in manifest.keys() - {"components", "files"}}
            manifest["components"][name] = chosen.write(
                component,
                plan[name],
                self._source.sam.variant,
                self._source.checkpoint,
                options,
                entries,
                folder,
            )
        manifest["files"] = list_files(folder)
        path.write_text(json.dumps(manifest))

    def module(self, format_name: str, component: str) -> nn.Module:
        """Return the export module that an artifact was converted from. It must not be changed."""
        return FORMATS[format_name].modules[component](self._source.sam).eval()

    def quantized(self, module: nn.Module, component: str, scheme: str) -> nn.Module:
        """Return a copy of a module whose weights are stored by a scheme of ``.ptl`` files."""
        formats = _int8_formats(module) if scheme == "int8" else {}
        return quantize(module, scheme, formats, self._source.calibrations[component])

    def sound_module(self, component: str, scheme: str) -> nn.Module:
        """Return a module as a sound ``.ptl`` file stores it, which may be changed."""
        return copy.deepcopy(self._int8_module(component, scheme))

    def _quantize_sound_module(self, component: str, scheme: str) -> nn.Module:
        return self.quantized(self.module("torchscript", component), component, scheme)


def options_of(format_name: str, scheme: str) -> Options:
    """Return the options that a sound artifact is converted with."""
    return AUTO_OPTIONS if scheme == AUTO else OPTIONS[format_name](scheme)


def _int8_formats(module: nn.Module) -> dict[str, WeightFormat]:
    return dict.fromkeys(large_layers(module), Integers(8))


@torch.no_grad()
def write_lite_file(module: nn.Module, inputs: tuple[Tensor, ...], path: Path) -> None:
    """Write a module without the checks of ``convert``, which would refuse some mutants."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TracerWarning)  # sizes become constants, as they should
        traced = torch.jit.trace(module, inputs, check_trace=False)
    data = traced._save_to_buffer_for_lite_interpreter()
    path.write_bytes(reproducible_archive(data, {}))


def inputs_of(component: str, goldens: Goldens) -> tuple[Tensor, ...]:
    """Return the inputs with which a component is traced."""
    is_encoder = component == IMAGE_ENCODER
    return (goldens.encoder_inputs() if is_encoder else goldens.decoder_inputs())[0]
