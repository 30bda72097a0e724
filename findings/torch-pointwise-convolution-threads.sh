#!/bin/bash
# torch 2.7.1 on x86-64: the number of threads decides which library computes a 1×1 convolution, so its result differs.
#
# Input:    the same float32 Conv2d(320, 320, 1) and the same (1, 320, 64, 64) tensor, after torch.set_num_threads(1)
#           and after torch.set_num_threads(2); and a 3×3 convolution, and a batch of 16, for comparison
# Expected: the same kernel for any number of threads, as for the other two
# Actual:   with one thread and a batch below 16, torch's own _slow_conv2d_forward runs. With two threads oneDNN runs.
#           Most of the elements differ in the last bits. The 3×3 convolution and the batch of 16 run in oneDNN with
#           both numbers of threads, and are equal to the bit.
#
# Exits with 0 while torch behaves like this, and with 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.7.1 numpy==2.3.5
"$folder/venv/bin/python" - <<'PYTHON'
import sys

import torch
from torch.profiler import ProfilerActivity, profile

KERNELS = {"aten::_slow_conv2d_forward": "torch's own", "aten::mkldnn_convolution": "oneDNN"}


def compute(layer: torch.nn.Conv2d, x: torch.Tensor, threads: int) -> tuple[str, torch.Tensor]:
    torch.set_num_threads(threads)
    with torch.no_grad(), profile(activities=[ProfilerActivity.CPU]) as profiler:
        result = layer(x)
    names = {event.key for event in profiler.key_averages()}
    return ", ".join(name for key, name in KERNELS.items() if key in names), result


print("torch", torch.__version__)
torch.manual_seed(0)
same = True
for side, batch in ((1, 1), (1, 16), (3, 1)):
    channels = 320 if batch == 1 else 64
    layer = torch.nn.Conv2d(channels, channels, side, padding=side // 2)
    x = torch.randn(batch, channels, 64, 64)
    (one, first), (two, second) = compute(layer, x, 1), compute(layer, x, 2)
    differ = (first != second).float().mean().item()
    print(f"{side}×{side}, batch {batch}: {one}, then {two}; {differ:.0%} of the elements differ")
    depends = (side, batch) == (1, 1)
    same &= (one, two) == ("torch's own" if depends else "oneDNN", "oneDNN")
    same &= (differ > 0) == depends
sys.exit(not same)
PYTHON
