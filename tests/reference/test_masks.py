"""Masks survive JSON, agree with pycocotools, and damaged ones are refused."""

import json

import numpy as np
import pytest
from pycocotools import mask as coco
from skimage import data

from reference.errors import MobileSAMError
from reference.masks import decode_rle, encode_rle, mask_box, mask_record


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
        {"size": [2, 2], "counts": [0, 4]},
        {"size": [2, 2], "counts": "é"},
        {"size": [2, 2], "counts": "\x01"},
        {"size": [2, 2], "counts": "P"},  # says that more follows, and nothing does
    ],
)
def test_what_is_no_rle(rle):
    with pytest.raises(MobileSAMError, match="not a mask: expected compressed COCO RLE"):
        decode_rle(rle)


@pytest.mark.parametrize(
    "rle",
    [
        {"size": [4, 4], "counts": "3"},
        {"size": [4, 4], "counts": ""},
        {"size": [100_000, 1_000_000], "counts": "4"},
        {"size": [-4, 4], "counts": "0"},
        {"size": [2, 2], "counts": "05O"},  # 0, 5, −1
    ],
)
def test_runs_that_do_not_fill_the_mask(rle):
    with pytest.raises(MobileSAMError, match="the RLE is damaged"):
        decode_rle(rle)
