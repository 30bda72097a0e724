#!/bin/bash
# Pillow 13.0.0 scrambles the pixels of an uncompressed TIFF of orientation 5 to 8 that is opened by its name.
#
# ImageFile.load maps such a file into memory with image.size. Because of the orientation, TiffImageFile has exchanged
# width and height by then. load_prepare knows the stored size, but is called too late. The picture is right if it is
# compressed, or opened through a file object, because then the file is not mapped. These modes are mapped: L, P, RGBX,
# RGBA, CMYK, I;16, I;16L, I;16B.
#
# Input:    uncompressed TIFFs of orientation 5 to 8, opened by name and through a file object
# Expected: the same pixels
# Actual:   "L 6: size (3, 2), by name WRONG, through a file object right", and so on for 5 to 8
#
# Exits with 0 while Pillow behaves like this, and with 1 once it has changed.
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
