#!/bin/bash
# Pillow 13.0.0 opens an uncompressed TIFF with orientation 5 to 8 by its name, and scrambles its pixels.
#
# ImageFile.load maps such a file into memory with image.size, which TiffImageFile has exchanged already
# because of the orientation; load_prepare, which knows the stored size, comes too late. Opened through a
# file object (which is not mapped), or compressed, the same picture is right. Modes that are mapped: L, P,
# RGBX, RGBA, CMYK, I;16, I;16L, I;16B.
#
# Seen: "L 6: size (3, 2), by name WRONG, through a file object right", and so on for 5 to 8.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 numpy==2.3.5
cd "$folder"
venv/bin/python - <<'EOF'
import io

import numpy as np
from PIL import Image

stored = np.arange(6, dtype=np.uint8).reshape(2, 3)
upright = {1: stored, 5: stored.T, 6: np.rot90(stored, -1), 7: np.rot90(stored, 2).T, 8: np.rot90(stored)}
found = {}
for mode, array in (("L", stored), ("I;16", stored.astype(np.uint16))):
    for orientation, expected in upright.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.fromarray(array).save("photo.tif", exif=exif)
        by_name = np.asarray(Image.open("photo.tif"))
        with open("photo.tif", "rb") as file:
            through_object = np.asarray(Image.open(io.BytesIO(file.read())))
        right = [value.shape == expected.shape and (value == expected).all() for value in (by_name, through_object)]
        found[mode, orientation] = right
        words = ["right" if value else "WRONG" for value in right]
        print(f"{mode} {orientation}: size {by_name.shape[::-1]}, by name {words[0]}, through a file object {words[1]}")
assert all(right == [orientation == 1, True] for (_, orientation), right in found.items()), "this has changed"
EOF
