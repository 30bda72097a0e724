"""``mil_runtime_encode.py MODEL ARTIFACT``: the time of mil_runtime's encoder, relative to PyTorch eager."""

import json
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
import torch
from PIL import Image

from reference.builder import build_sam
from validation import mil_runtime
from validation.artifacts.artifact import load_artifact

_ROUNDS = 5
_NUMERICS = ("declared", "float32")


def main(model: str, folder: str) -> None:
    """Encode one picture in turns, and print numerics → median time relative to PyTorch eager."""
    artifact = load_artifact(Path(folder))
    package = artifact.components["image_encoder"]
    sam = build_sam(model, "seeded")
    pixels = np.random.default_rng(0).integers(
        0, 256, (*(sam.variant.image_size,) * 2, 3), np.uint8
    )
    image, frame = Image.fromarray(pixels), torch.from_numpy(pixels).permute(2, 0, 1)[None].float()
    calls = {"eager": lambda: sam.encode_image(frame)}
    for numerics in _NUMERICS:
        program = mil_runtime.load(package, numerics)
        calls[numerics] = lambda program=program: program.predict({"image": image})
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call()  # not counted: it allocates memory
    for _ in range(_ROUNDS):
        for name, call in calls.items():
            begun = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - begun)
    eager = median(seconds["eager"])
    print(json.dumps({name: median(seconds[name]) / eager for name in _NUMERICS}))


if __name__ == "__main__":
    main(*sys.argv[1:])
