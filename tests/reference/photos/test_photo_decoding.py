"""Every way to store and hand over a picture gives the same pixels, or is refused."""

import functools
import io
import struct
import zlib

import numpy as np
import PIL
import pytest
import tifffile
from PIL import Image, ImageCms, ImageOps

from reference.common.errors import ImageError
from reference.photos.images import read_image

ROWS, COLUMNS = np.mgrid[:12, :20]
GRAY = (COLUMNS * 8 + ROWS * 4).astype(np.uint8)
COLOR = np.stack([COLUMNS * 12, ROWS * 20, (COLUMNS + ROWS) * 8], -1).astype(np.uint8)
ORIENTATIONS = range(1, 9)


@functools.cache
def pictures():
    """Return a picture for every mode that a file can have: mode → picture."""
    color, gray = Image.fromarray(COLOR), Image.fromarray(GRAY)
    modes = ("1", "L", "RGB", "RGBX", "CMYK", "YCbCr")
    found = {mode: color.convert(mode) for mode in modes}
    clear = color.copy()
    clear.putalpha(gray)
    found |= {"RGBA": clear, "LA": Image.merge("LA", (gray, gray)), "P": color.quantize(64)}
    found |= {
        "PA": color.quantize(64).convert("PA"),
        "I;16": Image.fromarray(GRAY * np.uint16(257)),
    }
    found["I;16B"] = Image.fromarray((GRAY * np.uint16(257)).astype(">u2"))
    found["I"] = Image.fromarray(GRAY * np.int32(257))
    srgb, lab = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
    found["LAB"] = ImageCms.profileToProfile(color, srgb, lab, outputMode="LAB")
    return found


def turned(pixels, orientation):
    """Return the stored picture as Pillow itself turns it."""
    image = Image.fromarray(pixels)
    image.getexif()[0x0112] = orientation
    return np.asarray(ImageOps.exif_transpose(image))


def ways(path):
    """Return the same file in every form in which a caller may pass it: description → form."""
    content = path.read_bytes()
    loaded = Image.open(io.BytesIO(content))
    loaded.load()
    lazy = Image.open(path)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(content)))
    return {
        "path": path,
        "lazy": lazy,
        "lazy, a second time": lazy,
        "from a file object": Image.open(io.BytesIO(content)),
        "loaded": loaded,
        "turned already": upright,
        "a copy": Image.open(io.BytesIO(content)).copy(),
    }


@pytest.mark.parametrize(
    ("mode", "compression"),
    [
        *((mode, compression) for mode in pictures() for compression in (None, "tiff_lzw")),
        *((mode, "jpeg") for mode in ("L", "RGB", "CMYK", "YCbCr")),
        ("RGBA", "tiff_adobe_deflate"),
        ("1", "group4"),
    ],
)
def test_orientation_of_tiffs(tmp_path, mode, compression):
    if (mode, compression) == ("YCbCr", None) and int(PIL.__version__.partition(".")[0]) < 13:
        pytest.skip("Pillow reads such files of its own only since 13.0")
    stored = None
    for orientation in ORIENTATIONS:
        path = tmp_path / f"{orientation}.tif"
        exif = Image.Exif()
        exif[0x0112] = orientation
        pictures()[mode].save(path, exif=exif, compression=compression)
        stored = read_image(path) if stored is None else stored
        for way, source in ways(path).items():
            difference = np.abs(read_image(source).astype(int) - turned(stored, orientation))
            # JPEG's blocks lie otherwise in no way, and YCbCr's colors are cut by one level.
            assert difference.max() <= (compression == "jpeg"), (orientation, way)
    if compression != "jpeg":
        own = read_image(pictures()[mode])
        assert np.abs(stored.astype(int) - own).max() <= (mode == "YCbCr")


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_tiff_that_pillow_has_scrambled_is_refused(tmp_path, orientation):
    """If Pillow loads an uncompressed TIFF that lies on its side by name, it mixes up the pixels, so it is refused."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(GRAY).save(tmp_path / "gray.tif", exif=exif)
    image = Image.open(tmp_path / "gray.tif")
    image.load()
    (tmp_path / "gray.tif").unlink()  # a loaded picture needs its file no longer
    expected = turned(GRAY, orientation)
    if (np.asarray(image).shape == expected.shape) and (np.asarray(image) == expected).all():
        np.testing.assert_array_equal(read_image(image)[..., 0], expected)
    else:
        with pytest.raises(ImageError, match="scrambled when Pillow"):
            read_image(image)


def test_chosen_page_of_a_tiff():
    file = io.BytesIO()
    first, second = Image.fromarray(GRAY), Image.fromarray(255 - GRAY)
    first.save(file, "TIFF", save_all=True, append_images=[second])
    image = Image.open(file)
    np.testing.assert_array_equal(read_image(image)[..., 0], GRAY)
    image.seek(1)
    np.testing.assert_array_equal(read_image(image)[..., 0], 255 - GRAY)


@pytest.mark.parametrize(("mode", "of"), [("HSV", "RGB"), ("RGBa", "RGBA"), ("La", "LA")])
def test_modes_that_no_file_has(mode, of):
    image = pictures()[of]
    difference = read_image(image.convert(mode)).astype(int) - read_image(image)
    assert np.abs(difference).max() <= (8 if mode == "HSV" else 2)  # HSV's hues are coarse


# Deep gray: right, or refused


def tiff(array, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, array, **options)
    return Image.open(file)


def test_32_bit_unsigned_gray_is_read():
    pixels = read_image(tiff(np.array([[0, 1 << 31, (1 << 32) - 1]], np.uint32)))
    assert pixels[0, :, 0].tolist() == [0, 128, 255]


def test_12_bit_gray_is_read(tmp_path):
    """The file is packed by hand, with two values in three bytes."""
    values = [0, 4095, 2048, 1024]
    bits = "".join(f"{value:012b}" for value in values)
    strip = int(bits, 2).to_bytes(6, "big")
    tags = [(256, 4), (257, 1), (258, 12), (259, 1), (262, 1), (273, 122), (277, 1), (278, 1)]
    tags += [(279, len(strip))]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    header = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4)
    (tmp_path / "deep.tif").write_bytes(header.ljust(122, b"\0") + strip)
    assert read_image(tmp_path / "deep.tif")[0, :, 0].tolist() == [0, 255, 128, 64]


def test_integers_of_an_8_bit_picture_stay_as_they_are():
    np.testing.assert_array_equal(read_image(Image.fromarray(GRAY).convert("I"))[..., 0], GRAY)


@pytest.mark.parametrize("byteorder", "<>")
def test_signed_16_bit_gray_is_white_at_its_largest_number(tmp_path, byteorder):
    values = np.array([[0, 8_000, 16_384, 32_767]], np.int16)
    path = tmp_path / "photo.tif"
    tifffile.imwrite(path, values, byteorder=byteorder)
    for source in (path, Image.open(path)):
        assert (read_image(source)[..., 0] == np.rint(values / 32_767 * 255)).all()


SIGNED = np.array([[-5, 0, 70]])


@pytest.mark.parametrize(
    ("array", "options", "expected"),
    [
        (SIGNED.astype(np.int8), {}, "signed pixels"),
        (SIGNED.astype(np.int16), {"byteorder": ">", "compression": "zlib"}, "big-endian"),
        (SIGNED.astype(np.int32), {"byteorder": ">", "compression": "zlib"}, "big-endian"),
        (np.ones((4, 4), np.uint16), {"photometric": "miniswhite"}, "where 0 is white"),
        (np.ones((4, 4), np.float32), {}, "floating-point pixels"),
        (
            np.ones((3, 20, 20), np.uint16),
            {"photometric": "rgb", "planarconfig": "separate"},
            "separate planes",
        ),
        (
            np.ones((2, 20, 20), np.uint8),
            {"planarconfig": "separate", "compression": "zlib", "extrasamples": ["unassalpha"]},
            "separate planes",
        ),
        (
            np.ones((3, 20, 20), np.uint8),
            {"photometric": "cielab", "planarconfig": "separate"},
            "separate planes",
        ),
    ],
)
def test_tiffs_that_would_be_misread_are_refused(array, options, expected):
    with pytest.raises(ImageError, match=expected) as caught:
        read_image(tiff(array, **{"photometric": "minisblack"} | options))
    assert "save it as" in str(caught.value) or "convert it" in str(caught.value)


@pytest.mark.parametrize(
    ("array", "options"),
    [
        (np.ones((20, 20, 3), np.float32), {"photometric": "rgb"}),
        (np.ones((20, 20, 3), np.uint32), {"photometric": "rgb"}),
        (np.ones((20, 20), np.float64), {"photometric": "minisblack"}),
        (np.ones((20, 20), np.uint16), {"photometric": "miniswhite", "byteorder": ">"}),
        (
            np.ones((4, 20, 20), np.uint8),
            {"photometric": "rgb", "planarconfig": "separate", "extrasamples": ["assocalpha"]},
        ),
    ],
)
def test_sound_tiffs_that_pillow_does_not_read_are_not_called_damaged_images(
    tmp_path, array, options
):
    tifffile.imwrite(tmp_path / "photo.tif", array, **options)
    with pytest.raises(ImageError, match="not read.*: save it as 8-bit gray or RGB") as caught:
        read_image(tmp_path / "photo.tif")
    assert "damaged or truncated image" not in str(caught.value)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("largest", [255, 65_535])
def test_palettes_of_8_and_16_bits(tmp_path, largest, compression):
    """Some programs write colors of 0 to 255 although white is 65,535 in TIFF. Both are read, as libtiff does."""
    palette = np.random.default_rng(3).integers(0, 256, (3, 256), np.uint16)
    stored = palette * np.uint16(largest // 255)
    indices = np.arange(37 * 50, dtype=np.uint8).reshape(37, 50)
    path = tmp_path / "photo.tif"
    tifffile.imwrite(path, indices, photometric="palette", colormap=stored, compression=compression)
    for source in (path, Image.open(path)):
        assert (read_image(source) == palette.T[indices]).all()


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("tile", [None, (16, 16)])
def test_tiffs_of_another_writer_are_read(byteorder, compression, tile):
    """Files with other tiles, byte orders, planes and depths, written by tifffile, are read as tifffile reads them."""
    random = np.random.default_rng(0)
    options = {"byteorder": byteorder, "compression": compression, "tile": tile}
    for shape, kind, more in (
        ((37, 50), np.uint8, {"photometric": "minisblack"}),
        ((37, 50), np.uint16, {"photometric": "minisblack"}),
        ((37, 50, 3), np.uint8, {"photometric": "rgb"}),
        ((37, 50, 3), np.uint16, {"photometric": "rgb"}),
        ((3, 37, 50), np.uint8, {"photometric": "rgb", "planarconfig": "separate"}),
    ):
        array = random.integers(0, np.iinfo(kind).max, shape, kind, endpoint=True)
        array = array.astype(array.dtype.newbyteorder(byteorder))
        expected = array.astype(float) * (255 / np.iinfo(kind).max)
        if shape[0] == 3:
            expected = np.moveaxis(expected, 0, -1)
        elif len(shape) == 2:
            expected = expected[..., None]
        difference = np.abs(read_image(tiff(array, **options | more)) - expected)
        assert difference.max() < 1, (shape, kind)  # Pillow cuts 16-bit colors, and does not round


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "jpeg"])
def test_damaged_tiff_says_no_more_than_its_error(tmp_path, capfd, compression):
    """libtiff writes warnings to the stderr of the process, which must not appear."""
    path = tmp_path / "damaged.tif"
    pictures()["RGB"].save(path, compression=compression)
    content = bytearray(path.read_bytes())
    content[8:80] = bytes(72)
    path.write_bytes(content)
    with pytest.raises(ImageError):
        read_image(path)
    assert capfd.readouterr().err == ""


# PNG


def png(rows, width, height, depth, color_type, *chunks):
    """Return a PNG of unfiltered rows, as bytes."""
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = [(b"IHDR", header), *chunks, (b"IDAT", data), (b"IEND", b"")]
    return io.BytesIO(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
            for kind, content in parts
        )
    )


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_gray_png_with_a_transparent_level(depth):
    top = (1 << depth) - 1
    levels = [0, top // 3, top, top // 3] if depth > 1 else [0, 1, 1, 0]
    if depth == 16:
        row = struct.pack(">4H", *levels)
    else:
        bits = "".join(f"{level:0{depth}b}" for level in levels)
        row = int(bits, 2).to_bytes(-(-len(bits) // 8), "big")
        row = (int(bits, 2) << (-len(bits) % 8)).to_bytes(len(row), "big")
    transparent = levels[1]
    file = png([row], 4, 1, depth, 0, (b"tRNS", struct.pack(">H", transparent)))
    expected = [255 if level == transparent else round(level * 255 / top) for level in levels]
    assert read_image(Image.open(file))[0, :, 0].tolist() == expected


def test_deep_color_png_with_a_transparent_color():
    transparent = (0x1234, 0x5678, 0x9ABC)  # whose low and high bytes differ
    row = struct.pack(">6H", *transparent, 0xEA00, 0x7500, 0)
    file = png([row], 2, 1, 16, 2, (b"tRNS", struct.pack(">3H", *transparent)))
    assert read_image(Image.open(file))[0].tolist() == [[255, 255, 255], [0xEA, 0x75, 0]]


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_deep_color_png(mode):
    values = [65_535, 32_896, 257, 65_535][: len(mode)]
    color_type = {"RGB": 2, "RGBA": 6}[mode]
    file = png([struct.pack(f">{len(values)}H", *values)], 1, 1, 16, color_type)
    assert read_image(Image.open(file))[0].tolist() == [[255, 128, 1]]


@pytest.mark.parametrize("largest", [1, 100, 255, 256, 1023, 65_535])
def test_netpbm_of_any_depth(largest):
    values = np.array([0, largest, largest // 2]).astype(">u2" if largest > 255 else np.uint8)
    file = io.BytesIO(b"P5 3 1 %d\n" % largest + values.tobytes())
    expected = [0, 255, largest // 2 / largest * 255]
    np.testing.assert_allclose(read_image(Image.open(file))[0, :, 0], expected, atol=1)
