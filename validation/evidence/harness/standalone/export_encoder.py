"""``export_encoder.py MODEL CHECKPOINT SIZE FILE``: write a .ptl encoder for frames of another size."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import torch

from converters.calibration import ComponentCalibration
from converters.io_spec import image_encoder_spec
from converters.torchscript.export import export_torchscript
from converters.torchscript.format import TORCHSCRIPT
from converters.torchscript.options import TorchScriptOptions
from reference.builder import load_sam
from reference.modeling.variants import get_variant
from reference.weights.checkpoint import resolve_checkpoint


def main(model: str, checkpoint: str, size: str, file: str) -> None:
    """Export the encoder in float32."""
    variant = get_variant(model)
    resized = replace(variant, image_size=int(size))
    sam = load_sam(resized, resolve_checkpoint(checkpoint, variant))
    frame = torch.full((1, 3, int(size), int(size)), 128.0)
    module = TORCHSCRIPT.modules["image_encoder"](sam).eval()
    spec = image_encoder_spec(resized)
    calibration = ComponentCalibration(lambda: module, lambda: [(frame,)])
    export_torchscript(
        module, spec, TorchScriptOptions(), Path(file), [(frame,)], {}, {}, calibration
    )
    print(json.dumps({}))


if __name__ == "__main__":
    main(*sys.argv[1:])
