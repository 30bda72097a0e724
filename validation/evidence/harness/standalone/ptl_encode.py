"""``ptl_encode.py FILE SIZE``: the time and the peak memory of an encoder in a .ptl file."""

import json
import sys
import time

import torch
from torch.jit.mobile import _load_for_lite_interpreter

from validation.latency.machine.memory import forget_peak, peak_memory

_RUNS = 3


def main(file: str, size: str) -> None:
    """Load the file and encode a gray frame. Print the shortest time, and the peak beyond the imported libraries."""
    frame = torch.full((1, 3, int(size), int(size)), 128.0)
    forget_peak()
    before = peak_memory()
    module = _load_for_lite_interpreter(file)
    seconds = []
    for _ in range(_RUNS):
        begun = time.perf_counter()
        module(frame)
        seconds.append(time.perf_counter() - begun)
    figures = {"seconds": min(seconds), "megabytes": (peak_memory() - before) / 1e6}
    print(json.dumps(figures))


if __name__ == "__main__":
    main(*sys.argv[1:])
