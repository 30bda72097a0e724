"""Masks survive JSON and agree with pycocotools, and damaged ones are refused."""

import json

import numpy as np
import pytest
from pycocotools import mask as coco
from skimage import data

from reference.common.errors import MobileSAMError
from reference.photos.masks import decode_rle, encode_rle, mask_box, mask_record


def corner_cases():
    one_pixel = np.zeros((5, 7), bool)
    one_pixel[3, 2] = True
    random = np.random.default_rng(0)
    return {
        "empty": np.zeros((4, 6), bool),
        "full": np.ones((4, 6), bool),
        "one pixel": one_pixel,
        "1×1": np.ones((1, 1), bool),
        "column": np.ones((5000, 1), bool),
        "noise": random.random((37, 53)) < 0.5,
        "long runs": random.random((300, 4000)) < 1e-4,
        "photo": data.astronaut()[..., 0] > 128,
        "not contiguous": (data.astronaut()[..., 0] > 128)[::2, ::-3],
    }


@pytest.mark.parametrize("name", corner_cases())
def test_rle_survives_json(name):
    mask = corner_cases()[name]
    rle = json.loads(json.dumps(encode_rle(mask)))
    assert rle["size"] == list(mask.shape)
    decoded = decode_rle(rle)
    assert decoded.dtype == bool
    np.testing.assert_array_equal(decoded, mask)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # their decoder
@pytest.mark.parametrize("name", corner_cases())
def test_pycocotools_reads_our_records(name):
    mask = corner_cases()[name]
    record = mask_record(mask, 0.5)
    np.testing.assert_array_equal(coco.decode(record["segmentation"]), mask)
    assert record["area"] == coco.area(record["segmentation"])
    assert record["bbox"] == coco.toBbox(record["segmentation"]).tolist()


def test_record():
    mask = np.zeros((10, 20), bool)
    mask[2:5, 3:9] = True
    record = mask_record(mask, np.float32(0.25))
    assert (record["score"], record["bbox"], record["area"]) == (0.25, [3, 2, 6, 3], 18)
    assert json.loads(json.dumps(record)) == record


def test_box_of_an_empty_mask():
    assert mask_box(np.zeros((3, 4), bool)) == [0, 0, 0, 0]


@pytest.mark.parametrize(
    "rle",
    [
        None,
        {},
        {"size": [2, 2]},
        {"size": [2], "counts": "04"},
        {"size": [2.5, 2], "counts": "04"},
        {"size": [2, 2], "counts": 4},
        {"size": [2, 2], "counts": [[0, 4]]},
        {"size": [2, 2], "counts": ["0", "4"]},
        {"size": [2, 2], "counts": [False, 4]},
        {"size": [2, 2], "counts": [10**400]},
        {"size": [True, 2], "counts": "04"},
        {"size": "22", "counts": "04"},
        {"size": [2, 2], "counts": "é"},
        {"size": [2, 2], "counts": "\x01"},
        {"size": [2, 2], "counts": "P"},  # says that more follows, and nothing does
        {"size": [2, 2], "counts": "PPPPPP0"},  # one number of seven digits
    ],
)
def test_records_that_are_no_rle_are_refused(rle):
    with pytest.raises(MobileSAMError, match="not a mask: expected COCO RLE"):
        decode_rle(rle)


@pytest.mark.parametrize(
    "rle",
    [
        {"size": [4, 4], "counts": "3"},
        {"size": [4, 4], "counts": ""},
        {"size": [4, 4], "counts": []},
        {"size": [4, 4], "counts": [-1, 17]},
        {"size": [4, 4], "counts": [1e300]},
        {"size": [4, 4], "counts": [0.5, 15.5]},
        {"size": [4, 4], "counts": [float("nan")]},
        {"size": [2, 2], "counts": "05O"},  # 0, 5, −1
    ],
)
def test_runs_that_do_not_fill_the_mask_are_refused(rle):
    with pytest.raises(MobileSAMError, match="the RLE is damaged"):
        decode_rle(rle)


@pytest.mark.parametrize(
    "size", [[100_000, 1_000_000], [-4, 4], [0, 0], [-4, -4], [10**400, 1], [2, 1 << 60]]
)
def test_sizes_that_no_photo_has_are_refused(size):
    with pytest.raises(MobileSAMError, match=r"at least 1 each and at most 268,435,456 pixels"):
        decode_rle({"size": size, "counts": "4"})


@pytest.mark.parametrize("counts", ["o" * 10_000_000, "0" * 10_000_000, [0] * 1_000_000])
def test_endless_runs_are_refused_unread(counts):
    """If the runs were decoded, the first would be a number of 50 million bits."""
    with pytest.raises(MobileSAMError, match="more runs than a mask of 16 pixels can have"):
        decode_rle({"size": [4, 4], "counts": counts})


def test_size_of_the_photo_comes_first():
    rle = encode_rle(np.ones((4, 6), bool))
    assert decode_rle(rle, (4, 6)).all()
    for size in ((6, 4), (4, 4)):
        with pytest.raises(MobileSAMError, match=r"of size \[4, 6\]: expected the photo's"):
            decode_rle(rle | {"counts": "nonsense"}, size)


@pytest.mark.parametrize("name", corner_cases())
def test_runs_as_a_list(name):
    mask = corner_cases()[name]
    flat = mask.ravel(order="F")
    runs = np.diff([0, *(np.flatnonzero(np.diff(flat)) + 1), flat.size]).tolist()
    counts = [0, *runs] if flat[0] else runs
    for form in (counts, [float(run) for run in counts]):
        np.testing.assert_array_equal(decode_rle({"size": mask.shape, "counts": form}), mask)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # their decoder
def test_what_is_accepted_is_what_pycocotools_reads():
    """Text with random changes is refused, or decoded as pycocotools decodes it."""
    random = np.random.default_rng(0)
    accepted = 0
    for _ in range(3000):
        rle = encode_rle(random.random(random.integers(1, 8, 2)) < 0.5)
        characters = list(rle["counts"])
        characters[random.integers(len(characters))] = chr(random.integers(48, 112))
        rle["counts"] = "".join(characters)
        try:
            mask = decode_rle(rle)
        except MobileSAMError:
            continue
        accepted += 1
        np.testing.assert_array_equal(mask, coco.decode(rle))
    assert accepted > 50
