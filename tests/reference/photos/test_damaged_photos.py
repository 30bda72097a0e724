"""Each of thousands of damaged photos is refused in one line, or read as Pillow reads it through a file object."""

import io
import warnings
from random import Random

import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageOps

from reference.common.errors import ImageError
from reference.photos.images import read_image
from tests.support.damage import damage_bytes

pillow_heif.register_heif_opener()

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "JPEG2000", "PPM", "TGA", "HEIF")


def stored(image, image_format, **options):
    file = io.BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


def sound_photos():
    noise = np.random.default_rng(0).integers(0, 256, (37, 50, 3), np.uint8)
    color = Image.fromarray(noise)
    turned = Image.Exif()
    turned[0x0112] = 6
    yield from (stored(color, image_format) for image_format in FORMATS)
    for image_format in ("JPEG", "PNG", "TIFF", "WEBP"):
        yield stored(color, image_format, exif=turned)
    for image_format in ("PNG", "TIFF", "GIF"):
        yield from (stored(color.convert(mode), image_format) for mode in ("L", "P", "1"))
        yield stored(color, image_format, save_all=True, append_images=[color.rotate(90)])
    for compression in ("tiff_lzw", "jpeg", "packbits", "tiff_adobe_deflate"):
        yield stored(color, "TIFF", compression=compression)
    yield stored(color.convert("CMYK"), "JPEG")
    yield stored(color, "MPO", save_all=True, append_images=[color])


def second_reading(content):
    """Return what Pillow alone reads, or None if this project promises something else."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image = Image.open(io.BytesIO(content))
        image.load()
        if "icc_profile" in image.info or image.has_transparency_data or image.mode[0] in "IF":
            return None
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_damaged_photos_are_refused_or_read_as_pillow_does(tmp_path, seed):
    random, photos, path = Random(seed), list(sound_photos()), tmp_path / "photo"
    read = 0
    for _ in range(1500):
        content = damage_bytes(random.choice(photos), random)
        path.write_bytes(content)
        try:
            pixels = read_image(path)
        except ImageError as error:
            assert "\n" not in str(error)
            continue
        expected = second_reading(content)
        if expected is not None:
            read += 1
            np.testing.assert_array_equal(pixels, expected)
    assert read > 300
