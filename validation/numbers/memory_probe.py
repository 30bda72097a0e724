"""``python -m validation.numbers.memory_probe WHAT [PACKAGE]``: peak memory of encoding one frame, in MB.

A process of its own, since a peak cannot be taken back. Counted is what comes on top of the imported
libraries: model, weights, activations. WHAT is "eager", the export module in PyTorch, or a numerics of
``mil_runtime``.
"""

import resource
import sys
from pathlib import Path

import numpy as np
import torch

from converters.export_modules import ImageEncoder
from reference.checkpoint import resolve_checkpoint
from reference.sam import load_sam
from reference.variants import get_variant
from validation import mil_runtime
from validation.numbers.bench import THREADS

EAGER = "eager"
_STATUS = Path("/proc/self/status")


def main(what: str, package: str = "") -> None:
    """Encode a grey frame twice, and print the peak."""
    torch.set_num_threads(THREADS)
    variant = get_variant("vit_t")
    frame = np.full((variant.image_size, variant.image_size, 3), 128, np.uint8)
    before = _peak()
    if what == EAGER:
        encoder = ImageEncoder(load_sam(variant, resolve_checkpoint("demo", variant))).eval()
        tensor = torch.from_numpy(frame).permute(2, 0, 1)[None].float()
        with torch.no_grad():
            for _ in range(2):
                encoder(tensor)
    else:
        program = mil_runtime.load(Path(package), what)
        for _ in range(2):
            program.predict({"image": frame})
    print(f"{_peak() - before:.0f}")


def _peak() -> float:
    """MB. Not what ``getrusage`` says on Linux, which begins with the parent's peak."""
    if _STATUS.exists():
        (line,) = (line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) / 1e3  # KB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6  # bytes, on macOS


if __name__ == "__main__":
    main(*sys.argv[1:])
