#!/bin/bash
# pillow-heif 1.8.1 writes a HEIC without its rotation if the EXIF data is passed as Pillow's own Image.Exif object.
#
# Pillow's own plugins accept such an object. Readers of HEIF rotate a photo only by its irot and imir properties
# (pillow-heif itself resets the EXIF orientation), so this photo stays on its side.
#
# Input:    image.save("a.heic", exif=exif), with exif an Image.Exif object of orientation 6, and with exif.tobytes()
# Expected: both files have irot, and are read back upright
# Actual:   "exif as an object: irot False, read back as (64, 32)", "exif as bytes: irot True, read back as (32, 64)"
#
# Exits with 0 while pillow-heif behaves like this, and with 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 pillow-heif==1.8.1
cd "$folder"
venv/bin/python - <<'EOF'
import io

import pillow_heif
from PIL import Image

pillow_heif.register_heif_opener()
exif = Image.Exif()
exif[0x0112] = 6
found = []
for name, value in (("an object", exif), ("bytes", exif.tobytes())):
    file = io.BytesIO()
    Image.new("RGB", (64, 32)).save(file, "HEIF", exif=value)
    found.append((b"irot" in file.getvalue(), Image.open(file).size))
    print(f"exif as {name}: irot {found[-1][0]}, read back as {found[-1][1]}")
assert found == [(False, (64, 32)), (True, (32, 64))], "this has changed"
EOF
