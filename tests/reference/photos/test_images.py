"""Photos are read as a viewer shows them, or refused in one line; pictures are written whole."""

import io
import resource
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageOps
from skimage import data
from sklearn.datasets import load_sample_image

from reference.common.errors import ImageError, OutputError
from reference.photos.images import check_writable, read_image, write_image


@pytest.fixture(scope="module")
def photo():
    """A real photo, small and not square: uint8 (107, 160, 3)."""
    return np.asarray(Image.fromarray(load_sample_image("china.jpg")).resize((160, 107)))


def save(image, path, **options):
    image.save(path, **options)
    return path


def refusal(source):
    """Return the message of the ImageError that ``source`` causes, which must be one line."""
    with pytest.raises(ImageError) as caught:
        read_image(source)
    message = str(caught.value)
    assert "\n" not in message
    return message


def names(folder):
    """Return the names of all files in ``folder``, with hidden drafts."""
    return [path.name for path in folder.iterdir()]


def assert_photo(pixels, height, width):
    assert pixels.shape == (height, width, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous


# Sources


def test_path_string_pil_image_and_array_agree(photo, tmp_path):
    path = save(Image.fromarray(photo), tmp_path / "photo.png")
    for source in (path, str(path), Image.open(path), Image.fromarray(photo), photo):
        pixels = read_image(source)
        assert_photo(pixels, 107, 160)
        np.testing.assert_array_equal(pixels, photo)


def test_rgb_array_is_not_copied(photo):
    assert read_image(photo) is photo


def test_strided_array_becomes_contiguous(photo):
    np.testing.assert_array_equal(read_image(photo[:, ::-1]), photo[:, ::-1])
    assert_photo(read_image(photo[:, ::-1]), 107, 160)


def test_real_jpeg_is_decoded_as_pillow_does(tmp_path):
    path = save(Image.fromarray(data.chelsea()), tmp_path / "cat.jpg")
    np.testing.assert_array_equal(read_image(path), np.asarray(Image.open(path)))


# Orientation


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_once(photo, tmp_path, orientation, suffix):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(Image.fromarray(photo), tmp_path / f"turned{suffix}", exif=exif)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))
    assert_photo(read_image(path), *((107, 160) if orientation < 5 else (160, 107)))
    np.testing.assert_array_equal(read_image(path), upright)
    np.testing.assert_array_equal(read_image(Image.open(path)), upright)


def test_photo_taken_with_the_phone_turned_stands_upright(photo, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the sensor's rows run down the scene: turn clockwise to view
    stored = Image.fromarray(photo).transpose(Image.Transpose.ROTATE_90)
    path = save(stored, tmp_path / "phone.png", exif=exif)
    np.testing.assert_array_equal(read_image(path), photo)


def test_damaged_exif_does_not_cost_the_photo(photo, tmp_path):
    path = save(Image.fromarray(photo), tmp_path / "exif.jpg", exif=b"Exif\x00\x00II*\x00\xff\xff")
    assert_photo(read_image(path), 107, 160)


# Modes


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "YCbCr"])
def test_other_modes_become_rgb(photo, tmp_path, mode):
    image = Image.fromarray(photo).convert(mode)
    path = save(image, tmp_path / ("image.jpg" if mode in ("CMYK", "YCbCr") else "image.png"))
    np.testing.assert_array_equal(read_image(image), np.asarray(image.convert("RGB")))
    expected = np.asarray(Image.open(path).convert("RGB"))
    np.testing.assert_array_equal(read_image(path), expected)


def test_cmyk_jpeg_looks_like_the_photo(photo, tmp_path):
    path = save(Image.fromarray(photo).convert("CMYK"), tmp_path / "print.jpg", quality=95)
    difference = np.abs(read_image(path).astype(int) - photo)
    assert difference.mean() < 5  # of 255; JPEG's own loss


def test_first_picture_of_a_stereo_photo_is_read(photo, tmp_path):
    """An MPO file has several JPEGs one after the other. Phones write it for depth and for previews."""
    left = Image.fromarray(photo)
    path = tmp_path / "stereo.jpg"
    left.save(path, "MPO", save_all=True, append_images=[Image.new("RGB", left.size)], quality=95)
    assert np.abs(read_image(path).astype(int) - photo).mean() < 3


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparency_lies_over_white(mode):
    image = Image.new("LA", (2, 1), (0, 255))
    image.putpixel((1, 0), (0, 0))
    pixels = read_image(image.convert("RGBA").convert(mode) if mode != "LA" else image)
    np.testing.assert_array_equal(pixels, [[[0, 0, 0], [255, 255, 255]]])


def test_half_transparent_pixel_is_mixed_with_white():
    assert read_image(np.array([[[200, 0, 100, 128]]], np.uint8))[0, 0].tolist() == [227, 127, 177]


def test_palette_with_a_transparent_color_lies_over_white(tmp_path):
    image = Image.new("P", (2, 1), 0)
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    path = save(image, tmp_path / "palette.png", transparency=1)
    np.testing.assert_array_equal(read_image(path), [[[10, 20, 30], [255, 255, 255]]])


def test_16_bit_gray_is_scaled_not_clipped(tmp_path):
    gray = np.array([[0, 257, 32_896, 65_535]], np.uint16)
    path = save(Image.fromarray(gray), tmp_path / "deep.png")
    assert read_image(path)[0].tolist() == [[0] * 3, [1] * 3, [128] * 3, [255] * 3]
    assert read_image(Image.fromarray(gray.astype(np.int32)))[0, :, 0].tolist() == [0, 1, 128, 255]


def test_32_bit_gray_is_scaled_by_the_range_that_it_spans(tmp_path):
    gray = np.array([[-1000, 0, 99_000]], np.int32)
    path = save(Image.fromarray(gray), tmp_path / "deeper.tif")
    assert read_image(path)[0, :, 0].tolist() == [0, 3, 255]
    constant = Image.fromarray(np.full((1, 2), 70_000, np.int32))
    assert_photo(read_image(constant), 1, 2)


def test_gray_and_rgba_arrays_are_read(photo):
    gray = photo[..., 0]
    np.testing.assert_array_equal(read_image(gray), np.stack([gray] * 3, axis=-1))
    opaque = np.dstack([photo, np.full(photo.shape[:2], 255, np.uint8)])
    np.testing.assert_array_equal(read_image(opaque), photo)


def test_first_frame_of_an_animation_is_read(photo, tmp_path):
    first, second = Image.fromarray(photo), Image.new("RGB", (160, 107))
    path = save(first, tmp_path / "moving.png", save_all=True, append_images=[second])
    np.testing.assert_array_equal(read_image(path), photo)


# Sizes


@pytest.mark.parametrize(("height", "width"), [(1, 1), (5000, 1), (1, 5000)])
def test_photos_of_odd_sizes_are_read(tmp_path, height, width):
    path = save(Image.new("RGB", (width, height), (1, 2, 3)), tmp_path / "odd.png")
    assert_photo(read_image(path), height, width)
    assert (read_image(path) == (1, 2, 3)).all()


def test_108_megapixels_are_read_without_a_warning(tmp_path):
    image = Image.new("1", (12_000, 9_000))
    image.putpixel((11_999, 8_999), 1)
    path = save(image, tmp_path / "large.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pixels = read_image(path)
    assert_photo(pixels, 9_000, 12_000)
    assert pixels[-1, -1].tolist() == [255] * 3
    assert not pixels[-1, :-1].any()


def test_absurd_size_is_refused(tmp_path):
    def chunk(kind, content):
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    path = tmp_path / "bomb.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b""))
    assert "more than 178,956,970 pixels; scale the photo down" in refusal(path)


# Refusals


def test_missing_file_is_refused(tmp_path):
    assert refusal(tmp_path / "none.jpg").startswith(f"{tmp_path / 'none.jpg'}: no such file")


def test_folder_is_refused(tmp_path):
    assert f"{tmp_path}: a folder" in refusal(tmp_path)


def test_empty_file_is_refused(tmp_path):
    (tmp_path / "empty.jpg").touch()
    assert "the file is empty" in refusal(tmp_path / "empty.jpg")


@pytest.mark.parametrize(
    "content", [b"hello, not an image\n" * 50, b"%!PS-Adobe-3.0 EPSF-3.0\n", b"P"]
)
def test_file_that_is_no_image_is_refused(tmp_path, content):
    path = tmp_path / "text.jpg"
    path.write_bytes(content)
    assert "not an image that can be read; expected a photo such as JPEG" in refusal(path)


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"])
def test_truncated_image_is_refused(photo, tmp_path, image_format):
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, image_format)
    path = tmp_path / "cut"
    path.write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    message = refusal(path)
    assert str(path) in message
    if image_format in (
        "PNG",
        "JPEG",
        "BMP",
    ):  # Pillow says of the others only that they are damaged
        assert message.endswith("is cut off: copy or download it again")


def test_no_damaged_byte_escapes_as_another_error(photo, tmp_path):
    """Damaged files are read or refused, and never raise another exception."""
    path = tmp_path / "damaged"
    random = np.random.default_rng(0)
    for image_format in ("PNG", "JPEG", "TIFF", "GIF", "WEBP", "BMP", "JPEG2000"):
        buffer = io.BytesIO()
        Image.fromarray(photo).save(buffer, image_format)
        for _ in range(25):
            content = bytearray(buffer.getvalue())
            for position in random.integers(0, min(400, len(content)), 4):
                content[position] = random.integers(256)
            path.write_bytes(content)
            try:
                read_image(path)
            except ImageError as error:
                assert "\n" not in str(error)


def test_null_character_in_a_path_is_refused():
    assert "cannot be read" in refusal("photo\0.jpg")


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.zeros((4, 4, 3), np.float32), "expected uint8; scale it to 0…255"),
        (np.full((4, 4), np.nan), "expected uint8"),
        (np.zeros((4, 4), np.uint16), "expected uint8"),
        (np.zeros((4, 4), bool), "expected uint8"),
        (np.zeros((4, 4, 2), np.uint8), "expected (H, W), (H, W, 3) or (H, W, 4)"),
        (np.zeros((3, 8, 8), np.uint8), "move the channels last"),
        (np.zeros(7, np.uint8), "expected (H, W)"),
        (np.zeros((1, 4, 4, 3), np.uint8), "expected (H, W)"),
        (np.zeros((0, 4, 3), np.uint8), "has no pixels"),
    ],
)
def test_other_arrays_are_refused(array, expected):
    message = refusal(array)
    assert expected in message
    assert str(array.shape) in message


@pytest.mark.parametrize("source", [None, 5, b"photo.jpg", [[0, 1]]])
def test_other_types_are_refused(source):
    assert f"a photo of type {type(source).__name__}: expected a path" in refusal(source)


def test_floating_point_pixels_are_refused(tmp_path):
    path = save(Image.fromarray(np.zeros((2, 2), np.float32)), tmp_path / "float.tif")
    assert refusal(path) == (
        f"{path}: has floating-point pixels: expected 8 or 16 bits per channel; save it as one of these"
    )


def test_image_of_no_pixels_is_refused():
    assert "0×3 pixels: expected at least 1×1" in refusal(Image.new("RGB", (0, 3)))


# Writing


@pytest.mark.parametrize(
    ("name", "kind"), [("a.png", "PNG"), ("a.JPG", "JPEG"), ("a.jpeg", "JPEG")]
)
def test_suffix_chooses_the_format(photo, tmp_path, name, kind):
    write_image(Image.fromarray(photo), tmp_path / name)
    with Image.open(tmp_path / name) as written:
        assert (written.format, written.size) == (kind, (160, 107))
    assert names(tmp_path) == [name]


def test_png_is_lossless_and_replaces_an_older_file(photo, tmp_path):
    path = tmp_path / "a.png"
    path.write_text("older")
    write_image(Image.fromarray(photo), path)
    np.testing.assert_array_equal(np.asarray(Image.open(path)), photo)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.gif", "suffix '.gif'; expected .png, .jpg, .jpeg"),
        ("a", "suffix ''"),
        ("none/a.png", "there is no folder"),
        ("folder.png", "is a folder"),
    ],
)
def test_output_is_refused_before_any_work(tmp_path, name, expected):
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(OutputError, match=expected):
        check_writable(tmp_path / name)
    assert names(tmp_path) == ["folder.png"]


def test_check_leaves_no_trace_and_keeps_an_existing_file(tmp_path):
    path = tmp_path / "a.png"
    check_writable(path)
    assert not names(tmp_path)
    path.write_text("older")
    check_writable(path)
    assert path.read_text() == "older"
    assert names(tmp_path) == ["a.png"]


def test_folder_that_takes_no_file_is_refused(tmp_path):
    with pytest.raises(OutputError, match="cannot be written") as caught:
        check_writable("/proc/overlay.png")
    assert "\n" not in str(caught.value)


def test_full_disk_leaves_the_older_file(photo, tmp_path):
    path = tmp_path / "a.png"
    path.write_text("older")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))  # a write fails, as on a full disk
    try:
        with pytest.raises(OutputError, match="a.png: cannot be written"):
            write_image(Image.fromarray(photo), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_text() == "older"
    assert names(tmp_path) == ["a.png"]


def test_interrupted_write_leaves_nothing(photo, tmp_path, monkeypatch):
    def interrupt(self, file, *_, **__):
        file.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(Image.Image, "save", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_image(Image.fromarray(photo), tmp_path / "a.png")
    assert not names(tmp_path)


def test_jpeg_has_a_largest_side(tmp_path):
    with pytest.raises(OutputError, match="a JPEG's at most 65,500; write a .png"):
        write_image(Image.new("RGB", (70_000, 1)), tmp_path / "a.jpg")
    assert not names(tmp_path)
