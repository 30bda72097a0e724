#!/bin/bash
# ultralytics 8.4.190 cannot load what it saves of a SAM model.
#
# Input:    sam = SAM("mobile_sam.pt"); sam.save("saved/mobile_sam.pt"); SAM("saved/mobile_sam.pt"), where mobile_sam.pt
#           has the state_dict of ultralytics' own build_mobile_sam()
# Expected: the same model
# Actual:   RuntimeError, "Missing key(s) in state_dict". save() writes {"model": <the module>, ...}. The loader of SAM
#           models (models/sam/build.py) uses the entry "model" only if it is a dict, and otherwise the outer dict.
#
# Exits with 0 while ultralytics behaves like this, and with 1 once it has changed.
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
