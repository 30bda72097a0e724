"""Colors are converted from embedded profiles to sRGB, as phones show them. Profiles that are wrong are ignored."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms
from skimage import data

import reference.photos.photo_decoding
from reference.photos.images import read_image
from tests.support import icc_profiles


@pytest.fixture(scope="module")
def photo():
    """A real photo, made small: RGB, 64×96."""
    return Image.fromarray(data.chelsea()).resize((96, 64))


def stored(image, image_format, **options):
    """Write an image to a file, and open that file."""
    file = io.BytesIO()
    image.save(file, image_format, **options)
    return Image.open(file)


def p3_as_srgb(pixels):
    """Convert Display P3 to sRGB by its definition, in floating point."""
    linear = pixels / 255.0
    linear = np.where(linear <= 0.04045, linear / 12.92, ((linear + 0.055) / 1.055) ** 2.4)
    linear = linear @ (np.linalg.inv(icc_profiles.SRGB_TO_XYZ) @ icc_profiles.P3_TO_XYZ).T
    linear = linear.clip(0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("image_format", ["PNG", "TIFF", "WEBP", "AVIF", "HEIF", "JPEG"])
def test_display_p3_becomes_srgb(photo, image_format):
    lossless = {"WEBP": {"lossless": True}}.get(image_format, {})
    plain = read_image(stored(photo, image_format, **lossless))
    pixels = read_image(
        stored(photo, image_format, icc_profile=icc_profiles.display_p3(), **lossless)
    )
    assert np.abs(pixels - p3_as_srgb(plain)).max() < 2.5
    assert np.abs(pixels.astype(int) - plain).mean() > 2  # it differs from what is stored


def test_known_colors_are_converted():
    swatches = np.array([[[255, 0, 0], [0, 255, 0], [128, 128, 128], [200, 100, 50]]], np.uint8)
    pixels = read_image(
        stored(Image.fromarray(swatches), "PNG", icc_profile=icc_profiles.display_p3())
    )
    assert pixels[0].tolist()[:3] == [[255, 0, 0], [0, 255, 0], [128, 128, 128]]  # P3's are outside
    np.testing.assert_allclose(pixels[0, 3], [215, 93, 31], atol=2)


@pytest.mark.parametrize("name", ["by other numbers", "of lcms"])
def test_srgb_profiles_change_nothing(photo, name):
    own = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile = icc_profiles.srgb() if name == "by other numbers" else own
    pixels = read_image(stored(photo, "PNG", icc_profile=profile))
    np.testing.assert_array_equal(pixels, np.asarray(photo))


def test_transparency_is_laid_over_white_after_the_colors():
    image = Image.new("RGBA", (2, 1), (200, 100, 50, 255))
    image.putpixel((1, 0), (200, 100, 50, 0))
    pixels = read_image(stored(image, "PNG", icc_profile=icc_profiles.display_p3()))
    np.testing.assert_allclose(pixels[0], [[215, 93, 31], [255, 255, 255]], atol=2)


def test_palettes_have_profiles(photo):
    palette = photo.quantize(64)
    pixels = read_image(stored(palette, "PNG", icc_profile=icc_profiles.display_p3()))
    assert np.abs(pixels - p3_as_srgb(np.asarray(palette.convert("RGB")))).max() < 2.5


@pytest.mark.parametrize("depth", [8, 16])
def test_gray_profiles_are_applied(depth):
    levels = np.array([[0, 64, 128, 255]], np.uint8)
    image = Image.fromarray(levels if depth == 8 else levels.astype(np.uint16) * 257)
    pixels = read_image(stored(image, "PNG", icc_profile=icc_profiles.gray(1.0)))  # linear light
    np.testing.assert_allclose(pixels[0, :, 0], [0, 137, 188, 255], atol=2)


@pytest.mark.parametrize("image_format", ["JPEG", "TIFF"])
def test_cmyk_profiles_are_applied(photo, image_format):
    image = stored(photo.convert("CMYK"), image_format, icc_profile=icc_profiles.cmyk())
    press = ImageCms.ImageCmsProfile(io.BytesIO(icc_profiles.cmyk()))
    expected = ImageCms.profileToProfile(
        image, press, ImageCms.createProfile("sRGB"), outputMode="RGB"
    )
    np.testing.assert_array_equal(read_image(image), np.asarray(expected))
    assert np.abs(read_image(image).astype(int) - np.asarray(image.convert("RGB"))).mean() > 5


def test_strips_leave_no_seams_in_colors(photo, monkeypatch):
    image = stored(photo, "PNG", icc_profile=icc_profiles.display_p3())
    whole = read_image(image)
    monkeypatch.setattr(reference.photos.photo_decoding, "STRIP_PIXELS", 1000)
    np.testing.assert_array_equal(read_image(image), whole)


def test_colors_are_converted_once(photo):
    """An image that the caller has already converted to sRGB is not converted again."""
    display_p3 = ImageCms.ImageCmsProfile(io.BytesIO(icc_profiles.display_p3()))
    image = stored(photo, "PNG", icc_profile=icc_profiles.display_p3())
    converted = ImageCms.profileToProfile(image, display_p3, ImageCms.createProfile("sRGB"))
    np.testing.assert_array_equal(read_image(converted), np.asarray(converted))


def damaged(profile):
    generator = np.random.default_rng(0)
    for length in (0, 1, 100, 128, 140, len(profile) - 1):
        yield profile[:length]
    for _ in range(25):
        content = bytearray(profile)
        for position in generator.integers(0, len(content), 3):
            content[position] = generator.integers(256)
        yield bytes(content)


def test_profiles_that_viewers_ignore_are_ignored(photo):
    """Profiles that do not fit the pixels, or that say nothing, are ignored, so the pixels count as sRGB."""
    color, gray, press = icc_profiles.display_p3(), icc_profiles.gray(1.0), icc_profiles.cmyk()
    cases = [(photo, gray), (photo, press), (photo, icc_profiles.black())]
    cases += [(photo.convert("L"), color), (photo.convert("CMYK"), color)]
    cases += [(photo, b""), (photo, b"nothing"), (photo, color[:200]), (photo, "text")]
    for image, profile in cases:
        expected = read_image(image)
        image = image.copy()
        image.info["icc_profile"] = profile
        np.testing.assert_array_equal(read_image(image), expected)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_damaged_profiles_never_cost_the_photo(photo, mode):
    profile = {"RGB": icc_profiles.display_p3(), "L": icc_profiles.gray(1.8)}
    small = photo.resize((4, 3)).convert(mode)
    for content in damaged(profile.get(mode, icc_profiles.cmyk())):
        small.info["icc_profile"] = content
        assert read_image(small).shape == (3, 4, 3)
