"""``frame_growth.py MODEL CHECKPOINT SIZE``: time and peak memory of a .ptl encoder for frames of another size."""

import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch.jit.mobile import _load_for_lite_interpreter

from converters.io_spec import image_encoder_spec
from converters.torchscript.export import export_torchscript
from converters.torchscript.format import TORCHSCRIPT
from converters.torchscript.options import TorchScriptOptions
from reference.builder import load_sam
from reference.modeling.variants import get_variant
from reference.weights.checkpoint import resolve_checkpoint
from validation.latency.machine.memory import forget_peak, peak_memory

_RUNS = 3


def main(model: str, checkpoint: str, size: str) -> None:
    """Export the encoder for the size, run it, and print its shortest time and its peak memory."""
    variant = get_variant(model)
    resized = replace(variant, image_size=int(size))
    sam = load_sam(resized, resolve_checkpoint(checkpoint, variant))
    frame = torch.full((1, 3, int(size), int(size)), 128.0)
    module = TORCHSCRIPT.modules["image_encoder"](sam).eval()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "encoder.ptl"
        spec = image_encoder_spec(resized)
        export_torchscript(module, spec, TorchScriptOptions(), path, [(frame,)], {})
        lite = _load_for_lite_interpreter(str(path))
    forget_peak()
    before = peak_memory()
    seconds = []
    for _ in range(_RUNS):
        begun = time.perf_counter()
        lite(frame)
        seconds.append(time.perf_counter() - begun)
    figures = {"seconds": min(seconds), "megabytes": (peak_memory() - before) / 1e6}
    print(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
