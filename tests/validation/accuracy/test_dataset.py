"""Datasets in COCO's format: what is read, and what is refused."""

import numpy as np
import pytest
from coco_records import SIZE, annotation_record, photo_record
from PIL import Image
from pycocotools import mask as coco

from reference.errors import ImageError, MobileSAMError
from reference.masks import encode_rle
from validation.accuracy import read_dataset

RECTANGLE = np.zeros(SIZE, bool)
RECTANGLE[8:56, 8:40] = True


def test_reads_photos_and_masks(dataset):
    first, second = read_dataset(dataset())
    assert (first.name, second.name) == ("photo1.png", "photo2.png")
    assert first.pixels.shape == second.pixels.shape == (*SIZE, 3)
    assert [item.name for item in first.instances] == ["annotation 10", "annotation 11"]
    assert (first.instances[0].mask == RECTANGLE).all()
    assert first.instances[0].is_part is None
    assert np.count_nonzero(second.instances[0].mask) == 16


def run_lengths(mask):
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    runs = np.diff([0, *edges, flat.size]).tolist()
    return {"size": list(mask.shape), "counts": [0, *runs] if flat[0] else runs}


@pytest.mark.parametrize("encode", [encode_rle, run_lengths])
@pytest.mark.parametrize("mask", [RECTANGLE, ~RECTANGLE])
def test_run_lengths(dataset, encode, mask):
    annotations = [annotation_record(1, 1, segmentation=encode(mask))]
    (sample,) = read_dataset(dataset(annotations=annotations))
    assert (sample.instances[0].mask == mask).all()


def test_objects_of_several_polygons(dataset):
    polygons = [[8, 8, 40, 8, 40, 30, 8, 30], [8, 30, 40, 30, 40, 56, 8, 56]]
    annotations = [annotation_record(1, 1, segmentation=polygons)]
    (sample,) = read_dataset(dataset(annotations=annotations))
    assert (sample.instances[0].mask == RECTANGLE).all()


def test_what_the_file_says_of_boxes_is_not_believed(dataset):
    annotations = [annotation_record(1, 1, bbox=[0, 0, 1, 1], area=7)]
    (sample,) = read_dataset(dataset(annotations=annotations))
    assert (sample.instances[0].mask == RECTANGLE).all()


def test_crowds_are_left_out(dataset):
    crowd = {"iscrowd": 1, "segmentation": "whatever", "image_id": 99}
    annotations = [annotation_record(1, 1, **crowd), annotation_record(2, 2)]
    (sample,) = read_dataset(dataset(annotations=annotations))
    assert sample.name == "photo2.png"


def test_folder_of_images(dataset):
    folder = dataset(annotations=[annotation_record(1, 1)])
    (folder / "images").mkdir()
    (folder / "photo1.png").rename(folder / "images" / "photo1.png")
    (sample,) = read_dataset(folder)
    assert len(sample.instances) == 1


def refusal(folder):
    with pytest.raises(MobileSAMError) as caught:
        read_dataset(folder)
    message = str(caught.value)
    assert message.startswith(str(folder / "annotations.json"))
    assert "\n" not in message
    return message


def with_segmentation(segmentation):
    return {"annotations": [annotation_record(1, 1), annotation_record(17, 1) | segmentation]}


@pytest.mark.parametrize(
    ("segmentation", "expected"),
    [
        ({"segmentation": []}, "has no mask"),
        ({"segmentation": None}, "has no mask"),
        ({"segmentation": "mask"}, "of type str"),
        ({"segmentation": [[1, 2, 3, 4]]}, "at least three vertices"),
        ({"segmentation": [[1, 2, 3, 4, 5, 6, 7]]}, "at least three vertices"),
        ({"segmentation": [[1, 2, 3, 4, 5, "6"]]}, "at least three vertices"),
        ({"segmentation": [[1, 2, 3, 4, 5, 10**90]]}, "at least three vertices"),
        ({"segmentation": [7]}, "at least three vertices"),
        ({"segmentation": [[0, 0, 500, 0, 500, 60]]}, "in a photo of 96×64 pixels"),
        ({"segmentation": [[0, 0, 50, 0, 50, 900]]}, "in a photo of 96×64 pixels"),
        ({"segmentation": [[5, 5, 5, 5, 5, 5]]}, "a mask without a pixel"),
        ({"segmentation": run_lengths(np.zeros(SIZE, bool))}, "a mask without a pixel"),
        ({"segmentation": {"size": [10, 10], "counts": [100]}}, "[height, width] = [64, 96]"),
        ({"segmentation": {"size": [64, 96], "counts": [100]}}, "that add up to 6144"),
        ({"segmentation": {"size": [64, 96], "counts": [-1, 6145]}}, "that add up to 6144"),
        ({"segmentation": {"size": [64, 96], "counts": ["a"]}}, "that add up to 6144"),
        ({"segmentation": {"size": [64, 96], "counts": "abc"}}, "expected compressed COCO RLE"),
        ({"segmentation": {"size": [64, 96], "counts": "12"}}, "the RLE is damaged"),
        ({"segmentation": {"size": [64, 96]}}, "expected compressed COCO RLE"),
    ],
)
def test_bad_masks(dataset, segmentation, expected):
    message = refusal(dataset(**with_segmentation(segmentation)))
    assert "annotations[1] (id 17): " in message
    assert expected in message


@pytest.mark.parametrize(
    ("lists", "expected"),
    [
        ({"annotations": "all"}, "'annotations' is not a list of objects"),
        ({"images": None}, "'images' is not a list of objects"),
        ({"images": [1]}, "'images' is not a list of objects"),
        ({"annotations": []}, "has no annotation with a mask"),
        ({"annotations": [annotation_record(1, 7)]}, "'image_id' is 7: expected the id of one"),
        ({"annotations": [{"id": 1}]}, "'image_id' is None"),
        (
            {"annotations": [annotation_record(1, 1), annotation_record(1, 1)]},
            "annotations[1]: the id 1 again",
        ),
        ({"images": [photo_record(1), photo_record(1)]}, "images[1]: the id 1 again"),
        ({"images": [photo_record(True)]}, "'id' is True"),
        (
            {"images": [photo_record(1, width=64, height=96), photo_record(2)]},
            "'photo1.png' has 96×64 pixels",
        ),
        ({"images": [photo_record(1, file_name="none.png")]}, "'none.png' is neither in"),
        ({"images": [photo_record(1, file_name="../photo1.png")]}, "expected a file below"),
        ({"images": [photo_record(1, file_name="/etc/hostname")]}, "expected a file below"),
        ({"images": [photo_record(1, file_name="a\0b")]}, "expected a file below"),
        ({"images": [photo_record(1, file_name="")]}, "'file_name' is ''"),
        ({"images": [photo_record(1, file_name=["photo1.png"])]}, "expected a photo's"),
    ],
)
def test_bad_lists(dataset, lists, expected):
    assert expected in refusal(dataset(**lists))


def test_link_out_of_the_folder(dataset, tmp_path):
    folder = dataset()
    (folder / "photo1.png").rename(tmp_path / "outside.png")
    (folder / "photo1.png").symlink_to(tmp_path / "outside.png")
    assert "expected a file below" in refusal(folder)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON"),
        ('{"images": [NaN]}', "NaN is no number in JSON"),
        ('{"images": [%s]}' % ("1" * 400), "a number has more than 100 characters"),
        ("[]", "expected an object with 'images' and 'annotations'"),
    ],
)
def test_bad_files(dataset, text, expected):
    folder = dataset()
    (folder / "annotations.json").write_text(text)
    assert expected in refusal(folder)


def test_no_annotations_file(tmp_path):
    assert "no such file" in refusal(tmp_path)


def test_damaged_photo(dataset):
    folder = dataset()
    (folder / "photo1.png").write_bytes(b"no photo")
    with pytest.raises(ImageError, match="not an image"):
        read_dataset(folder)


def test_polygons_are_drawn_as_coco_draws_them(dataset):
    polygon = [50.3, 10.2, 90.7, 20.5, 70.1, 60.9]
    (sample,) = read_dataset(dataset(annotations=[annotation_record(1, 1, polygon)]))
    expected = coco.decode(coco.frPyObjects([polygon], *SIZE)[0]).astype(bool)
    assert (sample.instances[0].mask == expected).all()


def test_photos_may_be_of_any_format(dataset):
    folder = dataset(
        images=[photo_record(1, file_name="photo1.jpg")], annotations=[annotation_record(1, 1)]
    )
    Image.open(folder / "photo1.png").convert("L").save(folder / "photo1.jpg")
    (sample,) = read_dataset(folder)
    assert sample.pixels.shape == (*SIZE, 3)
