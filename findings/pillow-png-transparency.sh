#!/bin/bash
# Pillow 13.0.0 scales the pixels of a PNG to 8 bits, but not the PNG's transparent color (tRNS).
#
# The same happens with gray of 2 bits. Gray of 8 bits and of 1 bit is right.
#
# Input:    a gray PNG of 4 bits whose level 5 is transparent, and a 16-bit RGB PNG with a transparent color
# Expected: convert("RGBA") makes the pixels of that color transparent
# Actual:   "4 bits: pixel 85, transparency 5, alpha 255". The pixel was scaled to 85 (5 x 17), and the color was not.
#           "16-bit RGB: pixel (18, 86, 154), transparency (4660, 22136, 39612), alpha 255". The pixel lost its low
#           bytes, and the color did not.
#
# Exits with 0 while Pillow behaves like this, and with 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0
cd "$folder"
venv/bin/python - <<'EOF'
import io
import struct
import zlib

from PIL import Image


def png(depth, color_type, row, transparent):
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", 1, 1, depth, color_type, 0, 0, 0)),
        (b"tRNS", transparent),
        (b"IDAT", zlib.compress(b"\0" + row)),
        (b"IEND", b""),
    )
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    ))


cases = {
    "8 bits": png(8, 0, bytes([5]), struct.pack(">H", 5)),
    "4 bits": png(4, 0, bytes([5 << 4]), struct.pack(">H", 5)),
    "2 bits": png(2, 0, bytes([1 << 6]), struct.pack(">H", 1)),
    "16-bit RGB": png(16, 2, struct.pack(">3H", 4660, 22136, 39612), struct.pack(">3H", 4660, 22136, 39612)),
}
found = {}
for name, file in cases.items():
    image = Image.open(file)
    image.load()
    found[name] = image.convert("RGBA").getpixel((0, 0))[3]
    print(f"{name}: pixel {image.getpixel((0, 0))}, transparency {image.info['transparency']}, alpha {found[name]}")
assert found == {"8 bits": 0, "4 bits": 255, "2 bits": 255, "16-bit RGB": 255}, "this has changed"
EOF
