"""Small ICC profiles, written according to the specification (ICC.1:2010)."""

import itertools
import struct

import numpy as np

# The columns are the XYZ of the primaries, adapted to D50: of Display P3, which iPhones use, and of sRGB.
P3_TO_XYZ = np.array(
    [[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]]
)
SRGB_TO_XYZ = np.array(
    [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]]
)
# The sRGB curve as a parametric curve of type 3: gamma, a, b, c, d.
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def display_p3() -> bytes:
    """Return the profile of Display P3, as an iPhone embeds it."""
    return rgb_profile(P3_TO_XYZ, _parametric(*_SRGB_CURVE))


def srgb() -> bytes:
    """Return a profile of sRGB whose numbers differ from those of lcms."""
    return rgb_profile(SRGB_TO_XYZ, _parametric(*_SRGB_CURVE))


def black() -> bytes:
    """Return a valid RGB profile that turns every color into black."""
    return rgb_profile(np.zeros((3, 3)), _gamma(1.0))


def rgb_profile(to_xyz: np.ndarray, curve: bytes) -> bytes:
    """Return the profile of a display with these primaries (columns) and the same curve for each."""
    tags = {b"wtpt": _xyz(0.9642, 1.0, 0.8249)}
    for name, column in zip(b"rgb", to_xyz.T, strict=True):
        tags[bytes([name]) + b"XYZ"] = _xyz(*column)
        tags[bytes([name]) + b"TRC"] = curve
    return _profile(b"mntr", b"RGB ", b"XYZ ", tags)


def gray(gamma: float) -> bytes:
    """Return a gray profile with a power law."""
    tags = {b"wtpt": _xyz(0.9642, 1.0, 0.8249), b"kTRC": _gamma(gamma)}
    return _profile(b"mntr", b"GRAY", b"XYZ ", tags)


def cmyk() -> bytes:
    """Return the profile of a press, a table of 16 colors. Each ink absorbs a fixed share of the light."""
    table = bytearray()
    for c, m, y, k in itertools.product((0, 1), repeat=4):
        lightness = 255 * (1 - 0.3 * c) * (1 - 0.4 * m) * (1 - 0.1 * y) * (1 - 0.9 * k)
        table += bytes((round(lightness), 128 - 35 * c + 60 * m, 128 - 40 * c + 70 * y))
    straight = bytes(range(256))
    head = struct.pack(">4sI4B", b"mft1", 0, 4, 3, 2, 0)
    matrix = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    lut = head + matrix + 4 * straight + bytes(table) + 3 * straight
    return _profile(
        b"prtr", b"CMYK", b"Lab ", {b"wtpt": _xyz(0.9642, 1.0, 0.8249), b"A2B0": lut}, 0x02100000
    )


def _profile(
    kind: bytes, space: bytes, connection: bytes, tags: dict, version: int = 0x04200000
) -> bytes:
    start = 128 + 4 + 12 * len(tags)
    entries, contents = b"", b""
    for name, data in tags.items():
        entries += struct.pack(">4sII", name, start + len(contents), len(data))
        contents += data + bytes(-len(data) % 4)
    header = struct.pack(
        ">I4xI4s4s4s12x4s24xI3i", start + len(contents), version, kind, space, connection, b"acsp", 0,
        *(round(value * 65536) for value in (0.9642, 1.0, 0.8249)),
    )  # fmt: skip
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + entries + contents


def _xyz(*values: float) -> bytes:
    return struct.pack(">4sI3i", b"XYZ ", 0, *(round(value * 65536) for value in values))


def _gamma(gamma: float) -> bytes:
    return struct.pack(">4sIIH", b"curv", 0, 1, round(gamma * 256))


def _parametric(*numbers: float) -> bytes:
    fixed = (round(number * 65536) for number in numbers)
    return struct.pack(">4sIHH5i", b"para", 0, 3, 0, *fixed)
