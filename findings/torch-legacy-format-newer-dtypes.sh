#!/bin/bash
# torch 2.7.1 writes float8 and unsigned integers to its older file format, and cannot read them back.
#
# Input:    torch.save({"t": torch.zeros(2).to(torch.float8_e4m3fn)}, path, _use_new_zipfile_serialization=False), and
#           the same for float8_e5m2, uint16, uint32 and uint64
# Expected: torch.load(path) returns the tensor, as it does for float16, bfloat16 and complex64, and for all types in
#           the newer format; or torch.save refuses
# Actual:   torch.save succeeds. torch.load raises AttributeError ("type object 'torch.storage.UntypedStorage' has no
#           attribute 'dtype'"), with weights_only=True and with weights_only=False.
#
# Exits with 0 while torch behaves like this, and with 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.7.1 numpy==2.3.5
"$folder/venv/bin/python" - "$folder/tensor.pt" <<'PYTHON'
import sys

import torch

path = sys.argv[1]


def read_back(dtype: torch.dtype, zipped: bool, weights_only: bool) -> str:
    torch.save({"t": torch.zeros(2).to(dtype)}, path, _use_new_zipfile_serialization=zipped)
    try:
        return str(torch.load(path, weights_only=weights_only)["t"].dtype)
    except AttributeError as error:
        return f"AttributeError: {error}"


print("torch", torch.__version__)
newer = ("float8_e4m3fn", "float8_e5m2", "uint16", "uint32", "uint64")
same = True
for name in ("float16", "bfloat16", "complex64", *newer):
    dtype = getattr(torch, name)
    older = {read_back(dtype, False, weights_only) for weights_only in (True, False)}
    zipped = {read_back(dtype, True, weights_only) for weights_only in (True, False)}
    print(f"{name}: older format {older}, newer format {zipped}")
    fails = all(text.startswith("AttributeError") for text in older)
    same &= fails == (name in newer) and zipped == {str(dtype)}
sys.exit(not same)
PYTHON
