"""Makes subtle mistakes in copies of sound artifacts."""

import functools
import json
from pathlib import Path

import numpy as np

from converters.artifact_layout import MANIFEST_FILE
from converters.calibration import ComponentCalibration, calibrations
from converters.calibration_photos import CalibrationPhotos
from converters.conversion import Source
from converters.manifest import list_files
from validation.artifacts.artifact import load_artifact
from validation.evidence.mutation.package_edit import EditablePackage
from validation.evidence.mutation.stored_weight import (
    StoredWeight,
    change_in_module,
    change_in_package,
)
from validation.evidence.mutation.tiny_artifacts import TinyArtifacts, inputs_of, write_lite_file
from validation.evidence.mutation.weight_faults import (
    FOLDED_LAYER,
    BiasFault,
    CalibrationFault,
    Fault,
    LeftOutFault,
    Pair,
    WeightFault,
)
from validation.stages import IMAGE_ENCODER


class FaultMaker:
    """Makes faults of any size."""

    def __init__(self, source: Source, tiny: TinyArtifacts) -> None:
        """Take the model, and the sound artifacts of it."""
        self._source, self._tiny = source, tiny
        self._broken_calibration = functools.cache(self._calibrate)

    def make(self, fault: Fault, pair: Pair, size: float, folder: Path) -> None:
        """Make a fault of a size in a copy of a sound artifact."""
        tiny = self._tiny
        plan = tiny.plan(folder)
        if isinstance(fault, LeftOutFault):
            formats = plan[IMAGE_ENCODER]
            left_out = list(formats)[-size:]
            plan[IMAGE_ENCODER] = {path: formats[path] for path in formats if path not in left_out}
            tiny.rewrite(folder, plan)
            return
        if isinstance(fault, CalibrationFault):
            tiny.rewrite(folder, plan, self._broken_calibration(fault, size))
            return
        if pair[0] == "coreml":
            self._edit_package(fault, size, folder)
        else:
            self._edit_module(fault, pair[1], size, folder)
        manifest = folder / MANIFEST_FILE
        document = json.loads(manifest.read_bytes())
        document["files"] = list_files(folder)
        manifest.write_text(json.dumps(document))

    def _edit_package(self, fault: Fault, size: float, folder: Path) -> None:
        tiny = self._tiny
        formats = tiny.plan(folder)[IMAGE_ENCODER]
        package = EditablePackage(load_artifact(folder).components[IMAGE_ENCODER])
        if isinstance(fault, BiasFault):
            bias = package.constant(f"{FOLDED_LAYER.replace('.', '_')}_bias")
            package.edit(bias, lambda old: old * (1 - size / 100))
        elif isinstance(fault, WeightFault):
            module = tiny.module("coreml", IMAGE_ENCODER)
            for path in fault.places(formats, size):
                floats = module.get_submodule(path).weight.detach().numpy()
                change = functools.partial(_changed, fault, floats, size)
                change_in_package(package, path, formats[path], change)
        package.save()

    def _edit_module(self, fault: Fault, scheme: str, size: float, folder: Path) -> None:
        tiny, source = self._tiny, self._source
        module = tiny.sound_module(IMAGE_ENCODER, scheme)
        if isinstance(fault, BiasFault):
            module.get_submodule(FOLDED_LAYER).bias.data.mul_(1 - size / 100)
        elif isinstance(fault, WeightFault):
            original = tiny.module("torchscript", IMAGE_ENCODER)
            for path in fault.places(tiny.plan(folder)[IMAGE_ENCODER], size):
                floats = original.get_submodule(path).weight.detach().numpy()
                change_in_module(module, path, functools.partial(_changed, fault, floats, size))
        path = load_artifact(folder).components[IMAGE_ENCODER]
        write_lite_file(module, inputs_of(IMAGE_ENCODER, source.goldens), path)

    def _calibrate(self, fault: CalibrationFault, size: float) -> dict[str, ComponentCalibration]:
        source = self._source
        sound = source.calibration_photos.pixels
        broken = {name: fault.photos[size](pixels) for name, pixels in sound.items()}
        photos = CalibrationPhotos(fault.name, broken)
        return calibrations(source.sam, photos, source.goldens, source.prompt_slots)


def _changed(
    fault: WeightFault, floats: np.ndarray, size: float, stored: StoredWeight
) -> StoredWeight:
    return fault.change(stored, floats, size)
