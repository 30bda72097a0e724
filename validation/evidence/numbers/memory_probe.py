"""``python -m validation.evidence.numbers.memory_probe WHAT [PACKAGE]``: measure memory of encoding.

It prints the peak of encoding a frame, in MB, beyond the imported libraries: model, weights and
activations. It runs in a new process, because a peak cannot be reset. WHAT is "eager", which is the
reference in PyTorch, or the name of ``mil_runtime`` numerics.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from reference.builder import load_sam
from reference.modeling.variants import get_variant
from reference.weights.checkpoint import resolve_checkpoint
from validation import mil_runtime
from validation.evidence.bench import THREADS
from validation.latency.machine.memory import peak_memory

EAGER = "eager"


def main(what: str, package: str = "") -> None:
    """Encode a gray frame twice, and print the peak."""
    torch.set_num_threads(THREADS)
    variant = get_variant("vit_t")
    frame = np.full((variant.image_size, variant.image_size, 3), 128, np.uint8)
    before = peak_memory()
    if what == EAGER:
        sam = load_sam(variant, resolve_checkpoint("demo", variant))
        tensor = torch.from_numpy(frame).permute(2, 0, 1)[None].float()
        for _ in range(2):
            sam.encode_image(tensor)
    else:
        program = mil_runtime.load(Path(package), what)
        for _ in range(2):
            program.predict({"image": frame})
    print(f"{(peak_memory() - before) / 1e6:.0f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
