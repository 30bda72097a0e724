#!/bin/bash
# Pillow 13.0.0 reads some TIFFs of unusual samples without an error, but with other values than the file has.
#
# Input:    - 16-bit gray with PhotometricInterpretation 0 (white is zero). It is not inverted, although 8-bit gray is.
#           - Compressed, big-endian, signed 16-bit and 32-bit pixels, and 32-bit floats. The bytes of each value are
#             swapped: libtiff returns the native order, but the raw modes "I;16BS", "I;32BS" and "F;32BF" are applied.
#           - Uncompressed 16-bit RGB in separate planes (PlanarConfiguration 2). Each plane is read as 8-bit.
#           - Compressed gray with alpha in separate planes.
# Expected: the values that tifffile 2025.10.16 reads, which also wrote the files
# Actual:   a line "differs" for each of them
#
# Exits with 0 while Pillow behaves like this, and with 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 numpy==2.3.5 tifffile==2025.10.16
cd "$folder"
venv/bin/python - <<'EOF'
import io

import numpy as np
import tifffile
from PIL import Image

ramp = np.arange(1, 401).reshape(20, 20)
planes = np.stack([ramp * 100, ramp * 50, ramp * 25]).astype(np.uint16)
gray_alpha = np.stack([ramp % 251, 255 - ramp % 251]).astype(np.uint8)
big = {"byteorder": ">", "compression": "zlib"}
cases = {
    "8-bit gray, white is zero (right)": (ramp.astype(np.uint8), {"photometric": "miniswhite"}, 255 - ramp.astype(np.uint8)),
    "16-bit gray, white is zero": (ramp.astype(np.uint16), {"photometric": "miniswhite"}, 65535 - ramp.astype(np.uint16)),
    "signed 16-bit, big-endian, compressed": (ramp.astype(np.int16), big, ramp),
    "signed 32-bit, big-endian, compressed": (ramp.astype(np.int32), big, ramp),
    "float, big-endian, compressed": (ramp.astype(np.float32), big, ramp),
    "16-bit RGB in planes, uncompressed": (
        planes, {"photometric": "rgb", "planarconfig": "separate"}, np.moveaxis(planes, 0, -1) >> 8,
    ),
    "gray and alpha in planes, compressed": (
        gray_alpha,
        {"photometric": "minisblack", "planarconfig": "separate", "extrasamples": ["unassalpha"], "compression": "zlib"},
        np.moveaxis(gray_alpha, 0, -1),
    ),
}
differing = []
for name, (array, options, expected) in cases.items():
    file = io.BytesIO()
    tifffile.imwrite(file, array, **{"photometric": "minisblack"} | options)
    file.seek(0)
    assert (tifffile.imread(file) == array).all()
    image = Image.open(file)
    same = (np.asarray(image) == expected).all()
    print(f"{name}: mode {image.mode}, {'the same' if same else 'differs'}")
    if not same:
        differing.append(name)
assert differing == list(cases)[1:], "this has changed"
EOF
