"""Datasets in COCO's format are read, and what is wrong with them is refused."""

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco
from pycocotools.coco import COCO

from reference.common.errors import MobileSAMError
from reference.photos.masks import encode_rle
from tests.support.coco_records import SIZE, annotation_record, photo_record
from validation.accuracy import read_dataset

their_decoder = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

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
def test_run_lengths_are_read(dataset, encode, mask):
    annotations = [annotation_record(1, 1, segmentation=encode(mask))]
    (sample,) = read_dataset(dataset(annotations=annotations))
    assert (sample.instances[0].mask == mask).all()


def test_objects_may_have_several_polygons(dataset):
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


def test_photos_may_lie_in_a_folder_of_images(dataset):
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
        ({"segmentation": "mask"}, "has the 'segmentation' 'mask'"),
        ({"segmentation": [[1, 2, 3, 4, 5, 6, 7]]}, "at least three vertices"),
        ({"segmentation": [[1, 2, 3, 4, 5, "six"]]}, "at least three vertices"),
        ({"segmentation": [[1, 2, 3, 4, 5, "nan"]]}, "at least three vertices"),
        ({"segmentation": [[1, 2, 3, 4, 5, True]]}, "at least three vertices"),
        ({"segmentation": [[1, 2, 3, 4, 5, 10**90]]}, "in a photo of 96×64 pixels"),
        ({"segmentation": [7]}, "at least three vertices"),
        ({"segmentation": [[[1, 2], [3, 4], [5]]]}, "at least three vertices"),
        ({"segmentation": [[[1, 2, 3, 4, 5, 6]]]}, "at least three vertices"),
        ({"segmentation": [[0, 0, 500, 0, 500, 60]]}, "in a photo of 96×64 pixels"),
        ({"segmentation": [[0, 0, 50, 0, 50, 900]]}, "in a photo of 96×64 pixels"),
        ({"segmentation": [[0, 0, 90, 60] * 20_000]}, "an outline of 3,600,000 pixels"),
        ({"segmentation": [[0, 0, 9, 0, 9, 9]] * 10_001}, "has 10001 polygons"),
        ({"segmentation": {"size": [10, 10], "counts": [100]}}, "[height, width], [64, 96]"),
        ({"segmentation": {"size": [96, 64], "counts": [6144]}}, "[height, width], [64, 96]"),
        ({"segmentation": {"size": [-64, -96], "counts": [6144]}}, "[height, width], [64, 96]"),
        ({"segmentation": {"size": [64, 10**90], "counts": [1]}}, "[height, width], [64, 96]"),
        ({"segmentation": {"size": [64, 96], "counts": [100]}}, "the RLE is damaged"),
        ({"segmentation": {"size": [64, 96], "counts": [-1, 6145]}}, "the RLE is damaged"),
        ({"segmentation": {"size": [64, 96], "counts": [0] * 10_000}}, "more runs than"),
        ({"segmentation": {"size": [64, 96], "counts": "o" * 100_000}}, "more runs than"),
        ({"segmentation": {"size": [64, 96], "counts": ["a"]}}, "expected COCO RLE"),
        ({"segmentation": {"size": [64, 96], "counts": "abc"}}, "expected COCO RLE"),
        ({"segmentation": {"size": [64, 96], "counts": "12"}}, "the RLE is damaged"),
        ({"segmentation": {"size": [64, 96]}}, "expected COCO RLE"),
        ({"segmentation": {"size": None, "counts": [6144]}}, "expected COCO RLE"),
    ],
)
def test_bad_masks_are_refused(dataset, segmentation, expected):
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
        (
            {"annotations": [annotation_record(1, 7)]},
            "(left out: annotations of photos that 'images' does not list: 1)",
        ),
        (
            {"annotations": [annotation_record(1, 1, segmentation=[])]},
            "(left out: annotations without a mask (a box alone): 1)",
        ),
        ({"annotations": [annotation_record(1, 1, iscrowd=7)]}, "'iscrowd' is 7: expected 0 or 1"),
        ({"annotations": [annotation_record(1, 1, iscrowd="no")]}, "'iscrowd' is 'no'"),
        ({"annotations": [{"id": 1}]}, "'image_id' is None"),
        (
            {"annotations": [annotation_record(1, 1), annotation_record(1, 1)]},
            "annotations[1]: the id 1 occurs twice",
        ),
        (
            {"images": [photo_record(1), photo_record(1, file_name="photo2.png")]},
            "images[1]: the id 1 occurs twice",
        ),
        ({"images": [photo_record(1, width="wide"), photo_record(2)]}, "'width' is 'wide'"),
        (
            {"images": [photo_record(1, width=95), photo_record(2)]},
            "'photo1.png' has 96×64 pixels (width × height), but the entry says 95×64",
        ),
        ({"images": [photo_record(True)]}, "'id' is True"),
        (
            {"images": [photo_record(1, width=64, height=96), photo_record(2)]},
            "'photo1.png' has 96×64 pixels",
        ),
        ({"images": [photo_record(1, file_name="none.png")]}, "'none.png' is neither in"),
        ({"images": [photo_record(1, file_name="../photo1.png")]}, "expected a file below"),
        ({"images": [photo_record(1, file_name="/etc/hostname")]}, "expected a file below"),
        ({"images": [photo_record(1, file_name="a\0b")]}, "expected a file below"),
        ({"images": [photo_record(1, file_name="a" * 300)]}, "File name too long"),
        ({"images": [photo_record(1, file_name="a/" * 3000)]}, "File name too long"),
        ({"images": [photo_record(1, file_name="")]}, "'file_name' is ''"),
        ({"images": [photo_record(1, file_name=["photo1.png"])]}, "expected the name of a photo"),
    ],
)
def test_bad_lists_are_refused(dataset, lists, expected):
    assert expected in refusal(dataset(**lists))


def test_link_out_of_the_folder_is_refused(dataset, tmp_path):
    folder = dataset()
    (folder / "photo1.png").rename(tmp_path / "outside.png")
    (folder / "photo1.png").symlink_to(tmp_path / "outside.png")
    assert "expected a file below" in refusal(folder)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON"),
        ('{"images": [NaN]}', "NaN is not a number in JSON"),
        ('{"images": [%s]}' % ("1" * 400), "a number has more than 100 characters"),
        ("[]", "expected an object with 'images' and 'annotations'"),
    ],
)
def test_bad_files_are_refused(dataset, text, expected):
    folder = dataset()
    (folder / "annotations.json").write_text(text)
    assert expected in refusal(folder)


def test_missing_annotations_file_is_refused(tmp_path):
    assert "no such file" in refusal(tmp_path)


def test_damaged_photo_is_refused(dataset):
    folder = dataset()
    (folder / "photo1.png").write_bytes(b"no photo")
    assert "images[0]: " in refusal(folder)
    assert "not an image" in refusal(folder)


def test_all_problems_are_told_at_once(dataset):
    """One run reports the first five problems, and the number of the rest."""
    folder = dataset(
        annotations=[annotation_record(number, 1, [0, 0, 500, 0, 500, 60]) for number in range(7)]
        + [annotation_record(7, 2, iscrowd="perhaps")]
    )
    (folder / "photo2.png").unlink()
    message = refusal(folder)
    assert ": 8 problems: annotations[7]: 'iscrowd' is 'perhaps'" in message
    assert message.endswith("; and 3 more")
    assert message.count("annotations[") == 5


# Forms that other tools write


def test_numbers_may_be_in_any_form(dataset):
    images = [photo_record(1, id=1.0, width="96", height=64.0), photo_record(2, id="2")]
    annotations = [
        annotation_record("10", "1", ["8", 8, "40", 8, 40, 56, 8, "56.0"], iscrowd="0"),
        annotation_record(11.0, 1.0, iscrowd=0.0),
        annotation_record(12, 2, iscrowd=None),
        annotation_record(13, "2.0", iscrowd=False),
        annotation_record(14, 2, iscrowd="1"),
        annotation_record(15, 2, iscrowd="true"),
        annotation_record(16, 2, segmentation={"size": ["64", 96.0], "counts": [0.0, 6144]}),
    ]
    first, second = read_dataset(dataset(images=images, annotations=annotations))
    assert [item.name for item in first.instances] == ["annotation 10", "annotation 11"]
    assert [item.name for item in second.instances] == [f"annotation {n}" for n in (12, 13, 16)]
    for item in (*first.instances, *second.instances[:-1]):
        assert (item.mask == RECTANGLE).all()
    assert second.instances[-1].mask.all()


def test_ids_may_be_texts(dataset):
    images = [photo_record(1, id="007"), photo_record(2, id="7")]
    annotations = [annotation_record("a", "007"), annotation_record("b", 7)]
    first, second = read_dataset(dataset(images=images, annotations=annotations))
    assert (first.name, first.instances[0].name) == ("photo1.png", "annotation a")
    assert (second.name, second.instances[0].name) == ("photo2.png", "annotation b")


def test_fields_that_are_not_needed_may_be_missing(dataset):
    """Sizes come from the files, and annotations need no ids."""
    image = {"id": 1, "file_name": "photo1.png"}
    annotations = [annotation_record(1, 1), annotation_record(2, 1)]
    for record in annotations:
        del record["id"]
    (sample,) = read_dataset(dataset(images=[image, image], annotations=annotations))
    assert len({item.name for item in sample.instances}) == 2


@pytest.mark.parametrize(
    "polygon",
    [
        [8, 8, 40, 8, 40, 56, 8, 56],
        [[8, 8], [40, 8], [40, 56], [8, 56]],
        [[[8, 8], [40, 8], [40, 56], [8, 56]]],
        [[8, 8, 40, 8, 40, 32, 8, 32], [["8", 32], [40, 32], [40, 56], [8, 56]]],
        [[8, 8, 40, 8, 40, 56, 8, 56]],
        [[8, 8, 40, 8, 40, 56, 8, 56], [1, 1, 5, 5], []],
    ],
)
def test_polygons_may_be_in_any_form(dataset, polygon):
    annotations = [annotation_record(1, 1, segmentation=polygon)]
    samples = read_dataset(dataset(annotations=annotations))
    assert (samples[0].instances[0].mask == RECTANGLE).all()
    left_out = {"polygons of fewer than three vertices": 2} if len(polygon) == 3 else {}
    assert samples.left_out == left_out


def test_run_lengths_may_be_text(dataset):
    rle = run_lengths(RECTANGLE)
    rle["counts"] = [str(run) for run in rle["counts"]]
    (sample,) = read_dataset(dataset(annotations=[annotation_record(1, 1, segmentation=rle)]))
    assert (sample.instances[0].mask == RECTANGLE).all()


def test_what_has_no_mask_is_left_out_and_counted(dataset):
    annotations = [
        annotation_record(1, 1),
        annotation_record(2, 1, segmentation=[]),
        annotation_record(3, 1, segmentation=None),
        annotation_record(4, 1, [5, 5, 5.1, 5, 5.1, 5.1]),
        annotation_record(5, 1, segmentation=run_lengths(np.zeros(SIZE, bool))),
        annotation_record(6, 1, segmentation=[[1, 1, 5, 5]]),
        annotation_record(7, 2, segmentation=[]),
        annotation_record(8, 99),
    ]
    samples = read_dataset(dataset(annotations=annotations))
    assert [item.name for sample in samples for item in sample.instances] == ["annotation 1"]
    assert samples.left_out == {
        "annotations without a mask (a box alone)": 3,
        "annotations with a mask of less than a pixel": 2,
        "annotations whose polygons all have fewer than three vertices": 1,
        "annotations of photos that 'images' does not list": 1,
    }


def test_sizes_from_before_the_rotation_are_refused(dataset):
    """Such sizes are refused, because the masks may belong to the photo as it is stored or as it is shown."""
    folder = dataset(annotations=[annotation_record(1, 1)])
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(folder / "photo1.png").save(folder / "photo1.png", exif=exif)
    message = refusal(folder)
    assert "'photo1.png' has 64×96 pixels (width × height), but the entry says 96×64" in message
    assert "after its EXIF rotation" in message


def test_folders_may_be_written_as_on_windows(dataset):
    folder = dataset(
        images=[photo_record(1, file_name="part\\photo1.png")],
        annotations=[annotation_record(1, 1)],
    )
    (folder / "images" / "part").mkdir(parents=True)
    (folder / "photo1.png").rename(folder / "images" / "part" / "photo1.png")
    assert len(read_dataset(folder)) == 1


def test_byte_order_mark_is_skipped(dataset):
    path = dataset() / "annotations.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(read_dataset(path.parent)) == 2


@their_decoder
def test_polygons_are_drawn_as_coco_draws_them(dataset):
    polygon = [50.3, 10.2, 90.7, 20.5, 70.1, 60.9]
    (sample,) = read_dataset(dataset(annotations=[annotation_record(1, 1, polygon)]))
    expected = coco.decode(coco.frPyObjects([polygon], *SIZE)[0]).astype(bool)
    assert (sample.instances[0].mask == expected).all()


@their_decoder
def test_masks_are_those_of_pycocotools(dataset):
    random = np.random.default_rng(0)
    polygons = [(random.random((random.integers(3, 9), 2)) * (96, 64)).ravel() for _ in range(20)]
    segmentations = [
        *([polygon.round(2).tolist()] for polygon in polygons),
        [polygon.tolist() for polygon in polygons[:5]],
        encode_rle(random.random(SIZE) < 0.5),
        run_lengths(random.random(SIZE) < 0.5),
    ]
    annotations = [
        annotation_record(number, 1, segmentation=segmentation)
        for number, segmentation in enumerate(segmentations)
    ]
    folder = dataset(annotations=annotations)
    theirs = COCO(folder / "annotations.json")
    (sample,) = read_dataset(folder)
    assert len(sample.instances) == len(annotations)
    for item, record in zip(sample.instances, theirs.loadAnns(theirs.getAnnIds()), strict=True):
        assert (item.mask == theirs.annToMask(record)).all(), record["id"]


def test_photos_may_be_of_any_format(dataset):
    folder = dataset(
        images=[photo_record(1, file_name="photo1.jpg")], annotations=[annotation_record(1, 1)]
    )
    Image.open(folder / "photo1.png").convert("L").save(folder / "photo1.jpg")
    (sample,) = read_dataset(folder)
    assert sample.pixels.shape == (*SIZE, 3)
