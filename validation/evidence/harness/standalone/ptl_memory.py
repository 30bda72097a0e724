"""``ptl_memory.py ARTIFACT``: the peak memory of loading the encoder's .ptl file and encoding, in MB."""

import json
import sys
from pathlib import Path

import torch
from torch.jit.mobile import _load_for_lite_interpreter

from validation.artifacts.artifact import load_artifact
from validation.latency.machine.memory import forget_peak, peak_memory


def main(folder: str) -> None:
    """Encode a gray frame twice, and print the peak beyond the imported libraries."""
    artifact = load_artifact(Path(folder))
    size = artifact.variant.image_size
    frame = torch.full((1, 3, size, size), 128.0)
    forget_peak()
    before = peak_memory()
    module = _load_for_lite_interpreter(str(artifact.components["image_encoder"]))
    for _ in range(2):
        module(frame)
    print(json.dumps({"megabytes": (peak_memory() - before) / 1e6}))


if __name__ == "__main__":
    main(*sys.argv[1:])
