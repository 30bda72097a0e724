"""HEIC and AVIF photos are read upright, whole and in sRGB, or an error says how to read them."""

import io
import sys

import numpy as np
import pillow_heif
import pytest
from PIL import Image
from skimage import data

from reference.common.errors import ImageError
from reference.photos.images import read_image

PHOTO = np.asarray(Image.fromarray(data.chelsea()).resize((96, 64)))
STEEP = np.zeros((64, 96, 3), np.uint8)  # no symmetry: every corner has a color of its own
STEEP[:32, :48], STEEP[:32, 48:], STEEP[32:, :48] = (250, 20, 20), (20, 250, 20), (20, 20, 250)

pillow_heif.register_heif_opener()


def stored(pixels, image_format, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, image_format, quality=95, **options)
    return file


def distance(pixels, expected):
    assert pixels.shape == expected.shape
    return np.abs(pixels.astype(int) - expected).mean()


@pytest.mark.parametrize("image_format", ["HEIF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_rotation_is_applied_once(tmp_path, image_format, orientation):
    """Both formats store the rotation as a property of the picture (irot, imir), and repeat it in the EXIF data."""
    turn = Image.Exif()
    turn[0x0112] = orientation
    # As bytes: given Pillow's object, pillow-heif (1.8.1) writes no irot, and no reader turns it then.
    content = stored(STEEP, image_format, exif=turn.tobytes()).getvalue()
    jpeg = stored(STEEP, "JPEG", exif=turn)
    expected = read_image(Image.open(jpeg))
    path = tmp_path / "IMG_0001.HEIC"
    path.write_bytes(content)
    for source in (path, Image.open(path), Image.open(io.BytesIO(content))):
        assert distance(read_image(source), expected) < 3


@pytest.mark.parametrize("image_format", ["HEIF", "AVIF"])
def test_rotation_in_the_metadata_alone_is_ignored(image_format):
    """A converter that turned the pixels left the rotation in the EXIF data, which these formats ignore."""
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    kept = {"xmp": xmp} if image_format == "AVIF" else {}  # pillow-heif would make a rotation of it
    image = Image.open(stored(STEEP, image_format, **kept))
    image.info.setdefault("xmp", xmp)
    assert distance(read_image(image), STEEP) < 3


def test_photo_of_10_bits_is_read(tmp_path):
    deep = PHOTO.astype(np.uint16) * 257
    image = pillow_heif.from_bytes("RGB;16", (96, 64), deep.tobytes())
    image.save(tmp_path / "deep.heic", quality=95)
    assert pillow_heif.open_heif(tmp_path / "deep.heic").info["bit_depth"] == 10
    assert distance(read_image(tmp_path / "deep.heic"), PHOTO) < 4


@pytest.mark.parametrize("primary", [0, 1, 2])
def test_primary_picture_of_several_is_read(tmp_path, primary):
    burst = pillow_heif.HeifFile()
    for index in range(3):
        image = Image.fromarray(PHOTO if index == primary else 255 - PHOTO)
        burst.add_from_pillow(image)
    burst.save(tmp_path / "burst.heic", quality=95, primary_index=primary)
    assert distance(read_image(tmp_path / "burst.heic"), PHOTO) < 4


@pytest.mark.parametrize("image_format", ["HEIF", "AVIF"])
def test_gray_and_transparency_are_read(image_format):
    gray = PHOTO[..., 0]
    pixels = read_image(Image.open(stored(gray, image_format)))
    assert distance(pixels, np.stack([gray] * 3, -1)) < 4
    clear = np.dstack([PHOTO, np.where(np.arange(96) < 48, 255, 0) * np.ones((64, 1), int)])
    pixels = read_image(Image.open(stored(clear.astype(np.uint8), image_format)))
    assert distance(pixels[:, 50:], np.full((64, 46, 3), 255)) < 2
    assert distance(pixels[:, :46], PHOTO[:, :46]) < 4


@pytest.mark.parametrize("name", ["HEIC", "AVIF"])
def test_damaged_file_is_named(tmp_path, name):
    content = stored(PHOTO, {"HEIC": "HEIF"}.get(name, name)).getvalue()
    path = tmp_path / "photo"
    random = np.random.default_rng(0)
    for length in (30, 200, len(content) // 2, len(content) - 5):
        path.write_bytes(content[:length])
        try:
            read_image(path)
        except ImageError as error:
            assert name in str(error) or "damaged" in str(error)
            assert "\n" not in str(error)
    for _ in range(20):
        damaged = bytearray(content)
        for position in random.integers(0, len(content), 4):
            damaged[position] = random.integers(256)
        path.write_bytes(damaged)
        try:
            read_image(path)
        except ImageError as error:
            assert "\n" not in str(error)


def test_heic_without_pillow_heif_names_the_remedy(tmp_path, monkeypatch):
    path = tmp_path / "IMG_0001.HEIC"
    path.write_bytes(stored(PHOTO, "HEIF").getvalue())
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # importing it is an ImportError now
    monkeypatch.delitem(Image.OPEN, "HEIF")
    monkeypatch.setattr(Image, "ID", [name for name in Image.ID if name != "HEIF"])
    with pytest.raises(ImageError) as caught:
        read_image(path)
    assert str(caught.value) == (
        f"{path}: the photo has the format HEIC, which needs another package: "
        "pip install 'mobile-sam-export[heif]' (or pillow-heif), or export it as JPEG"
    )


def test_avif_without_a_reader_names_the_remedy(tmp_path, monkeypatch):
    path = tmp_path / "photo.avif"
    path.write_bytes(stored(PHOTO, "AVIF").getvalue())
    monkeypatch.delitem(Image.OPEN, "AVIF")
    with pytest.raises(
        ImageError,
        match="the photo has the format AVIF, which needs another package: pip install --force-reinstall pillow",
    ):
        read_image(path)
