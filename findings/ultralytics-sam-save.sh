#!/bin/bash
# What ultralytics 8.4.190 saves of a SAM model, it cannot load.
#
# Input:    sam = SAM("mobile_sam.pt"); sam.save("saved/mobile_sam.pt"); SAM("saved/mobile_sam.pt"), where mobile_sam.pt
#           holds the state_dict of ultralytics' own build_mobile_sam()
# Expected: the same model
# Seen:     RuntimeError, "Missing key(s) in state_dict": save() writes {"model": <the module>, ...}, and the loader of
#           SAM models (models/sam/build.py) takes a "model" entry only if it is a dict, else the outer dict itself
#
# Ends with 0 while this is so, else with 1.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
pip=$folder/venv/bin/pip
"$pip" install --quiet torch==2.7.1 torchvision==0.22.1 numpy==2.3.5 opencv-python-headless pyyaml psutil requests \
    matplotlib polars
"$pip" install --quiet --no-deps ultralytics==8.4.190 ultralytics-thop
cd "$folder"
YOLO_CONFIG_DIR=$folder "$folder/venv/bin/python" - <<'PYTHON'
import os
import sys

import torch
import ultralytics
from ultralytics import SAM
from ultralytics.models.sam.build import build_mobile_sam

print("ultralytics", ultralytics.__version__, "torch", torch.__version__)
torch.save(build_mobile_sam().state_dict(), "mobile_sam.pt")
sam = SAM("mobile_sam.pt")
os.mkdir("saved")
sam.save("saved/mobile_sam.pt")
try:
    SAM("saved/mobile_sam.pt")
    seen = "loaded"
except RuntimeError as error:
    seen = str(error)[:120].replace("\n", " ")
print(seen)
sys.exit("Missing key(s) in state_dict" not in seen)
PYTHON
