"""Raw files of cameras and other formats are refused by name, but TIFF photos are read."""

import io
import struct

import numpy as np
import pytest
import tifffile
from PIL import Image

from reference.common.errors import ImageError
from reference.photos.images import read_image

PREVIEW = np.full((6, 8, 3), 90, np.uint8)
PHOTO = np.arange(24 * 32 * 3, dtype=np.uint8).reshape(24, 32, 3)
SENSOR = np.ones((24, 32), np.uint16)
DNG_VERSION = (50_706, "B", 4, (1, 4, 0, 0), True)
FILTERS = [(33_421, "H", 2, (2, 2), True), (33_422, "B", 4, (0, 1, 1, 2), True)]


def refusal(source):
    with pytest.raises(ImageError) as caught:
        read_image(source)
    message = str(caught.value)
    assert "\n" not in message
    return message


def write_raw(path, layout):
    """Write a raw file as cameras do: a preview, and the sensor's values behind it."""
    with tifffile.TiffWriter(path) as writer:
        if layout == "DNG":  # fail: nothing but its version says so
            writer.write(PREVIEW, photometric="rgb", extratags=[DNG_VERSION])
        elif layout == "sub-directories":  # NEF, ARW, and most DNGs
            writer.write(PREVIEW, photometric="rgb", subfiletype=1, subifds=2)
            writer.write(PHOTO, photometric="rgb", subfiletype=1)
            writer.write(SENSOR, photometric="cfa", extratags=FILTERS)
        elif layout == "pages":
            writer.write(PREVIEW, photometric="rgb")
            writer.write(SENSOR, photometric="cfa", extratags=FILTERS)
        elif layout == "preview of a photo":
            writer.write(PREVIEW, photometric="rgb", subfiletype=1)
            writer.write(PHOTO, photometric="rgb")
        elif layout == "sensor alone":
            writer.write(SENSOR, photometric="cfa", extratags=FILTERS)
    return path


LAYOUTS = ["DNG", "sub-directories", "pages", "preview of a photo", "sensor alone"]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", ["photo.tif", "photo.NEF"])
def test_raw_files_that_are_tiffs_are_refused(tmp_path, layout, name):
    message = refusal(write_raw(tmp_path / name, layout))
    assert "raw file" in message
    assert message.startswith(str(tmp_path / name))
    assert message.endswith("export it as JPEG, or as TIFF, and use that")


@pytest.mark.parametrize("layout", LAYOUTS[:-1])  # the last, Pillow does not open
def test_raw_files_that_pillow_opened_are_refused(tmp_path, layout):
    content = write_raw(tmp_path / "photo.tif", layout).read_bytes()
    assert "raw file" in refusal(Image.open(tmp_path / "photo.tif"))
    assert "raw file" in refusal(Image.open(io.BytesIO(content)))


def test_tiff_with_the_suffix_of_a_raw_format_is_refused(tmp_path):
    """A TIFF with the suffix of a raw format is refused whatever it has, because it is not the photo."""
    tifffile.imwrite(tmp_path / "photo.PEF", PREVIEW, photometric="rgb")
    assert "raw file (PEF)" in refusal(tmp_path / "photo.PEF")


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        (b"II*\0\x10\0\0\0CR\x02\0", "Canon CR2"),
        (b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom", "Canon CR3"),
        (b"II\x1a\0\0\0HEAPCCDR\x02\0\x01\0", "Canon CRW"),
        (b"FUJIFILMCCD-RAW 0201FF129505", "Fujifilm RAF"),
        (b"IIRO\x08\0\0\0", "Olympus ORF"),
        (b"IIRS\x08\0\0\0", "Olympus ORF"),
        (b"MMOR\0\0\0\x08", "Olympus ORF"),
        (b"IIU\0\x18\0\0\0", "Panasonic RW2"),
        (b"\0MRM\0\x01\x02\x03", "Minolta MRW"),
        (b"FOVb\0\0\x03\0", "Sigma X3F"),
        (b"\xff\x0a\x10\x20", "JPEG XL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
        (b"8BPS\0\x01", "Photoshop"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0", "a video"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0", "a video"),
    ],
)
def test_other_formats_are_named(tmp_path, start, expected):
    path = tmp_path / "IMG_0001.JPG"
    path.write_bytes(start + bytes(500))
    message = refusal(path)
    assert expected in message
    assert "export it as JPEG" in message


def test_tiffs_that_are_photos_are_read(tmp_path):
    path = tmp_path / "photo.tif"
    with tifffile.TiffWriter(path) as writer:  # a picture and its reductions
        writer.write(PHOTO, photometric="rgb", subifds=1)
        writer.write(PHOTO[::2, ::2], photometric="rgb", subfiletype=1)
        writer.write(PHOTO[::4, ::4], photometric="rgb", subfiletype=1)
    np.testing.assert_array_equal(read_image(path), PHOTO)
    with tifffile.TiffWriter(path, bigtiff=True) as writer:  # pages
        for page in (PHOTO, PREVIEW):
            writer.write(page, photometric="rgb", subfiletype=2)
    np.testing.assert_array_equal(read_image(path), PHOTO)
    tifffile.imwrite(path, PREVIEW, photometric="rgb", subfiletype=1)  # all that there is
    np.testing.assert_array_equal(read_image(path), PREVIEW)


def test_page_that_the_caller_chose_is_read(tmp_path):
    """If the caller has chosen a page of a PIL image, that page is read."""
    path = tmp_path / "photo.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(PHOTO, photometric="rgb")
        writer.write(PHOTO[::2, ::2], photometric="rgb", subfiletype=1)
    image = Image.open(path)
    image.seek(1)
    np.testing.assert_array_equal(read_image(image), PHOTO[::2, ::2])


def test_photo_with_the_suffix_of_a_raw_file_is_read(tmp_path):
    Image.fromarray(PHOTO).save(tmp_path / "photo.nef", "PNG")
    np.testing.assert_array_equal(read_image(tmp_path / "photo.nef"), PHOTO)


def test_damaged_tiffs_are_read_or_refused_in_one_line(tmp_path):
    content = bytearray(write_raw(tmp_path / "photo.tif", "sub-directories").read_bytes())
    random = np.random.default_rng(0)
    for _ in range(60):
        damaged = bytearray(content[: random.integers(4, len(content))])
        for position in random.integers(4, len(damaged) + 4, 3):
            damaged[position % len(damaged)] = random.integers(256)
        (tmp_path / "damaged.tif").write_bytes(damaged)
        try:
            read_image(tmp_path / "damaged.tif")
        except ImageError as error:
            assert "\n" not in str(error)


def test_directories_without_end_are_refused(tmp_path):
    """The last directory points to the first one, and claims more sub-directories than the file can have."""
    path = tmp_path / "photo.tif"
    tifffile.imwrite(path, PHOTO, photometric="rgb")
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        page = file.pages.first
        following = page.offset + 2 + 12 * len(page.tags)
        name = page.tags["Software"].offset  # its entry becomes that of the sub-directories
    content[following : following + 4] = struct.pack("<I", page.offset)
    content[name : name + 12] = struct.pack("<HHII", 330, 4, 0xFFFF_FFFF, 8)
    path.write_bytes(content)
    np.testing.assert_array_equal(read_image(path), PHOTO)
