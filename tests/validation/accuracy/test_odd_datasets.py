"""Each of thousands of randomly damaged COCO files is read, or refused in one line."""

import copy
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reference.common.errors import MobileSAMError
from reference.photos.masks import encode_rle
from tests.support.coco_records import SIZE, annotation_record, photo_record
from validation.accuracy import read_dataset

MASK = np.zeros(SIZE, bool)
MASK[3:20, 4:50] = True
SOUND = {
    "images": [photo_record(1), photo_record(2)],
    "annotations": [
        annotation_record(1, 1, iscrowd=0, bbox=[1, 2, 3, 4], category_id=1),
        annotation_record(2, 2, segmentation={"size": [*SIZE], "counts": [100, 200, 5844]}),
        annotation_record(3, 2, iscrowd=1, segmentation={"size": [*SIZE], "counts": "ab"}),
        annotation_record(4, 1, segmentation=encode_rle(MASK)),
        annotation_record(5, 1, segmentation=[[10, 10, 30, 10, 30, 30], [1, 1, 5, 1, 5, 5]]),
    ],
}


def places(value, place=()):
    """Return every place in a document, as the keys that lead there."""
    inside = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, item in inside:
        yield (*place, key)
        yield from places(item, (*place, key))


ODD = st.one_of(
    st.sampled_from([None, True, "", "0", "1.0", "007", [], {}, [[]], [None], {"size": [*SIZE]}]),
    st.sampled_from([[1] * 7, [[1, 2], [3, 4], [5, 6]], "o" * 50, "../x", "a\0b", "\x1b[2J", "\\"]),
    st.integers(-2, 200),
    st.sampled_from([64, 96, "64", 96.0, -1e9, 1e300, 10**90, 0.5]),
    st.lists(st.floats(-50, 150), max_size=9),
    st.text(st.characters(min_codepoint=40, max_codepoint=120), max_size=12),
)
CHANGES = st.lists(
    st.tuples(st.sampled_from(sorted(places(SOUND), key=str)), st.sampled_from("sdr"), ODD),
    min_size=1,
    max_size=4,
)


def changed(changes):
    """Return the document with values set, deleted or repeated."""
    document = copy.deepcopy(SOUND)
    for place, kind, value in changes:
        parent = document
        try:
            for key in place[:-1]:
                parent = parent[key]
            if kind == "s":
                parent[place[-1]] = value
            elif kind == "d":
                del parent[place[-1]]
            else:
                parent.append(copy.deepcopy(parent[place[-1]]))
        except (LookupError, TypeError, AttributeError):  # an earlier change took it away
            continue
    return document


@pytest.mark.slow
@settings(
    max_examples=2000,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(changes=CHANGES)
def test_odd_datasets_are_read_or_refused(dataset, changes):
    folder = dataset()
    (folder / "annotations.json").write_text(json.dumps(changed(changes)))
    try:
        samples = list(read_dataset(folder))
    except MobileSAMError as error:
        assert "\n" not in str(error)
        return
    for sample in samples:
        assert sample.instances
        for item in sample.instances:
            assert item.mask.shape == SIZE
            assert item.mask.any()
