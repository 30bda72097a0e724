"""Writing manifest.json, which tells apps and ``validate`` everything about an artifact."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from converters.artifact_layout import GOLDENS_FILE, GOLDENS_FOLDER, MANIFEST_FILE, MANIFEST_SCHEMA
from converters.io_spec import (
    LABEL_BACKGROUND,
    LABEL_BOX_BOTTOM_RIGHT,
    LABEL_BOX_TOP_LEFT,
    LABEL_EMPTY_SLOT,
    LABEL_OBJECT,
    ModuleSpec,
)
from converters.quantization.weight_formats import WeightFormat
from reference.common.folders import files_below, size_of
from reference.modeling.variants import Variant

if TYPE_CHECKING:  # importing it takes a second, and readers of artifacts do not need it
    from converters.calibration_photos import CalibrationPhotos
    from reference.weights.checkpoint import Checkpoint

PACKAGE = "mobile-sam-export"
TOOLS = (PACKAGE, "torch", "timm", "coremltools", "numpy", "pillow")


def description(
    variant: Variant,
    checkpoint: "Checkpoint",
    format_name: str,
    scheme: str,
    prompt_slots: int,
    calibration_photos: "CalibrationPhotos",
    tuning_steps: int,
    format_entries: dict,
    padding: np.ndarray,
) -> dict:
    """Return the part of the manifest that is known before the conversion. Each .ptl file stores it too.

    Args:
        variant: the model variant.
        checkpoint: the weights.
        format_name: "coreml" or "torchscript".
        scheme: the quantization scheme.
        prompt_slots: number of prompt slots of the mask decoder.
        calibration_photos: the photos for which weights were rounded, and activations scaled.
        tuning_steps: how many steps of tuning there were.
        format_entries: entries that only this format has, such as its deployment target.
        padding: (3,) RGB color in 0…255 that pads the photo.
    """
    return {
        "schema": MANIFEST_SCHEMA,
        "model": variant.name,
        "format": format_name,
        "scheme": scheme,
        "prompt_slots": prompt_slots,
        **format_entries,
        "checkpoint": {
            "name": checkpoint.name,
            "sha256": checkpoint.sha256,
            "trained": checkpoint.trained,
        },
        "calibration": calibration_photos.manifest_entry | {"tuning_steps": tuning_steps},
        **conventions(variant, padding),
        "tools": {tool: version(tool) for tool in TOOLS},
    }


def conventions(variant: Variant, padding: np.ndarray) -> dict:
    """Return what an app has to do before and after it runs the models. ``padding`` is (3,) RGB in 0…255."""
    return {
        "preprocessing": {
            "frame_size": variant.image_size,
            "resize": (
                "bilinear, antialiased; scale = frame_size / longest side; each side is "
                "floor(side * scale + 0.5), at least 1"
            ),
            "placement": "top left",
            "padding_rgb": [float(f"{value:.6g}") for value in padding],
            "channels": "RGB, 0…255",
            "normalisation": "in the graph",
            "mean": list(variant.pixel_mean),
            "std": list(variant.pixel_std),
        },
        "prompts": {
            "coordinates": "x, y in pixels of the frame: photo pixels × resized side / photo side",
            "labels": {
                "background_point": LABEL_BACKGROUND,
                "object_point": LABEL_OBJECT,
                "box_top_left": LABEL_BOX_TOP_LEFT,
                "box_bottom_right": LABEL_BOX_BOTTOM_RIGHT,
                "empty_slot": LABEL_EMPTY_SLOT,
            },
            "empty_slot_coordinates": [0, 0],
            "slots_per_point": 1,
            "slots_per_box": 2,
        },
        "masks": {
            "low_res_size": variant.mask_size,
            "single_mask_index": 0,
            "multimask_indices": [1, 2, 3],
            "to_photo": (
                "bilinear to frame_size (half-pixel centres), crop the resized photo's area, bilinear to "
                "the photo's size, object where > threshold"
            ),
            "threshold": 0,
        },
    }


def component_entry(
    spec: ModuleSpec,
    path: Path,
    operators: tuple[str, ...],
    formats: Mapping[str, WeightFormat],
) -> dict:
    """Return the entry of one component: its file or package, its inputs and outputs, and how weights are stored."""
    return {
        "file": path.name,
        "bytes": size_of(path),
        "summary": spec.summary,
        "inputs": [asdict(tensor) for tensor in spec.inputs],
        "outputs": [asdict(tensor) for tensor in spec.outputs],
        "operators": list(operators),
        "weights": {path: str(weight_format) for path, weight_format in formats.items()},
    }


def list_files(folder: Path) -> dict[str, dict]:
    """Return the manifest's list of files: the size and SHA-256 of every file of a folder but the manifest."""
    return {
        file.relative_to(folder).as_posix(): {
            "bytes": file.stat().st_size,
            "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
        }
        for file in files_below(folder)
        if file != folder / MANIFEST_FILE
    }


def write_manifest(folder: Path, entries: dict, components: dict[str, dict]) -> None:
    """Write the manifest of a folder whose other files are complete. It lists each file with its SHA-256."""
    manifest = {
        **entries,
        "components": components,
        "goldens": f"{GOLDENS_FOLDER}/{GOLDENS_FILE}",
        "files": list_files(folder),
    }
    (folder / MANIFEST_FILE).write_text(to_json(manifest))


def to_json(document: dict) -> str:
    """Return a document as indented JSON with a final newline."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
