"""Every way of writing prompts reaches one normal form, and invalid prompts are refused."""

import numpy as np
import pytest
import torch

from reference.common.errors import PromptError
from reference.prompts import Prompt, normalize_prompts

SIZE = (720, 1280)  # height, width


def plain(prompts):
    """Return prompts as (points, labels, box), for comparison."""
    return [
        (
            prompt.point_coords.tolist(),
            prompt.point_labels.tolist(),
            None if prompt.box is None else prompt.box.tolist(),
        )
        for prompt in prompts
    ]


def refusal(*args, **kwargs):
    """Return the message of the PromptError, which must be one line of limited length."""
    with pytest.raises(PromptError) as caught:
        normalize_prompts(*args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    return message


# The forms on Ultralytics' MobileSAM and SAM pages.
FORMS = [
    pytest.param([900, 370], [1], [([[900, 370]], [1], None)], id="one point"),
    pytest.param([900, 370], 1, [([[900, 370]], [1], None)], id="bare label"),
    pytest.param([900, 370], None, [([[900, 370]], [1], None)], id="no label"),
    pytest.param([[900, 370]], [1], [([[900, 370]], [1], None)], id="a list of one point"),
    pytest.param(
        [[400, 370], [900, 370]],
        [1, 1],
        [([[400, 370]], [1], None), ([[900, 370]], [1], None)],
        id="an object per point",
    ),
    pytest.param(
        [[[400, 370], [900, 370]]],
        [[1, 1]],
        [([[400, 370], [900, 370]], [1, 1], None)],
        id="several points of one object",
    ),
    pytest.param(
        [[[400, 370], [900, 370]]],
        [[1, 0]],
        [([[400, 370], [900, 370]], [1, 0], None)],
        id="a negative label",
    ),
    pytest.param(
        [[[400, 370], [900, 370]], [[5, 6]]],
        [[1, 0], [1]],
        [([[400, 370], [900, 370]], [1, 0], None), ([[5, 6]], [1], None)],
        id="ragged",
    ),
    pytest.param(
        [[[400, 370], [900, 370]], [[5, 6]]],
        1,
        [([[400, 370], [900, 370]], [1, 1], None), ([[5, 6]], [1], None)],
        id="ragged with one label for all",
    ),
    pytest.param([900, 370], [0], [([[900, 370]], [0], None)], id="background only"),
]


@pytest.mark.parametrize(("points", "labels", "expected"), FORMS)
def test_points_have_one_normal_form(points, labels, expected):
    assert plain(normalize_prompts(points, labels, image_size=SIZE)) == expected


@pytest.mark.parametrize(("points", "labels", "expected"), FORMS)
@pytest.mark.parametrize("container", [np.array, torch.tensor, tuple])
def test_containers_of_every_kind_are_taken(points, labels, expected, container):
    if container is tuple:
        points = tuple(points)
    elif len({len(group) for group in points if isinstance(group, list)}) < 2:  # not ragged
        points, labels = container(points), labels if labels is None else container(labels)
    assert plain(normalize_prompts(points, labels, image_size=SIZE)) == expected


def test_lists_of_arrays_and_numpy_scalars_are_taken():
    points = [np.array([[1, 2], [3, 4]], np.int32), [(np.float32(5), np.int64(6))]]
    expected = [([[1, 2], [3, 4]], [1, 1], None), ([[5, 6]], [1], None)]
    assert plain(normalize_prompts(points)) == expected


def test_boxes_have_one_normal_form():
    box = [439, 437, 524, 709]
    assert plain(normalize_prompts(bboxes=box, image_size=SIZE)) == [([], [], box)]
    two = [box, [0, 0, 10.5, 20]]
    for boxes in (two, np.array(two), torch.tensor(two), tuple(map(tuple, two))):
        assert plain(normalize_prompts(bboxes=boxes)) == [([], [], two[0]), ([], [], two[1])]


@pytest.mark.parametrize(
    ("points", "labels", "bboxes", "expected"),
    [
        ([5, 6], [0], [1, 2, 8, 9], [([[5, 6]], [0], [1, 2, 8, 9])]),
        ([[[5, 6], [7, 8]]], [[1, 0]], [1, 2, 8, 9], [([[5, 6], [7, 8]], [1, 0], [1, 2, 8, 9])]),
        (
            [[5, 6], [7, 8]],
            None,
            [[1, 2, 8, 9], [0, 0, 9, 9]],
            [([[5, 6]], [1], [1, 2, 8, 9]), ([[7, 8]], [1], [0, 0, 9, 9])],
        ),
    ],
)
def test_points_and_boxes_are_paired(points, labels, bboxes, expected):
    assert plain(normalize_prompts(points, labels, bboxes, image_size=SIZE)) == expected


def test_normal_form_has_fixed_types():
    for prompt in (
        *normalize_prompts([1, 2], bboxes=[1, 2, 3, 4]),
        *normalize_prompts(bboxes=[1, 2, 3, 4]),
    ):
        assert prompt.point_coords.dtype == np.float64
        assert prompt.point_coords.shape[1:] == (2,)
        assert prompt.point_labels.dtype == np.int64
        assert prompt.box.dtype == np.float64
        assert prompt.box.shape == (4,)


def test_arguments_are_not_changed_or_shared():
    points = np.array([[1.0, 2.0]])
    (prompt,) = normalize_prompts(points)
    prompt.point_coords[:] = 0
    assert points.tolist() == [[1, 2]]


# What the decoder takes


def test_decoder_points_are_points_and_then_corners():
    (prompt,) = normalize_prompts([[[5, 6], [7, 8]]], [[1, 0]], [1, 2, 8, 9])
    coords, labels = prompt.decoder_points()
    assert prompt.slots == 4
    assert coords.tolist() == [[5, 6], [7, 8], [1, 2], [8, 9]]
    assert labels.tolist() == [1, 0, 2, 3]
    assert (coords.dtype, labels.dtype) == (np.float64, np.int64)


def test_decoder_points_may_lack_box_or_points():
    (points,) = normalize_prompts([[[5, 6], [7, 8]]])
    assert points.slots == 2
    assert points.decoder_points()[1].tolist() == [1, 1]
    (box,) = normalize_prompts(bboxes=[1, 2, 8, 9])
    assert box.slots == 2
    assert box.decoder_points()[0].tolist() == [[1, 2], [8, 9]]
    assert box.decoder_points()[1].tolist() == [2, 3]
    assert Prompt().slots == 0


# The photo's bounds


def test_far_edges_are_inside():
    corners = [[0, 0], [1280, 720], [1279.5, 719.5]]
    assert len(normalize_prompts(corners, image_size=SIZE)) == 3


@pytest.mark.parametrize("point", [[-0.5, 5], [5, -1], [1280.5, 5], [5, 721], [500, 1000]])
def test_point_outside_is_refused(point):
    message = refusal([[10, 10], point], image_size=SIZE)
    assert f"point ({point[0]:g}, {point[1]:g}) is outside the photo of 1280×720 pixels" in message
    assert "x in 0…1280 and y in 0…720" in message


def test_bounds_need_a_photo():
    assert len(normalize_prompts([5000, -3])) == 1


def test_box_that_sticks_out_is_clipped():
    (prompt,) = normalize_prompts(bboxes=[-5, 10, 2000, 730], image_size=SIZE)
    assert prompt.box.tolist() == [0, 10, 1280, 720]


@pytest.mark.parametrize(
    "box", [[1280, 0, 1300, 5], [-9, 3, 0, 9], [1, 720, 9, 800], [1, -9, 5, 0]]
)
def test_box_beside_the_photo_is_refused(box):
    assert "does not overlap the photo of 1280×720 pixels" in refusal(bboxes=box, image_size=SIZE)


# Refusals


@pytest.mark.parametrize(
    "arguments", [{}, {"points": []}, {"bboxes": []}, {"points": np.empty((0, 2)), "labels": []}]
)
def test_empty_prompt_is_refused(arguments):
    assert "an empty prompt: expected points or boxes" in refusal(**arguments)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, None, "5", True, 1j, 10**400])
def test_coordinate_that_is_no_finite_number(bad):
    assert "is not a point: expected 2 finite numbers, [x, y]" in refusal([bad, 5])
    assert "is not a point" in refusal([[[1, 2], [5, bad]]])
    assert "is not a box: expected 4 finite numbers" in refusal(bboxes=[1, 2, 3, bad])


def test_nan_in_array_and_tensor_is_refused():
    assert "nan" in refusal(np.array([[1, 2], [np.nan, 3]]))
    assert "nan" in refusal(torch.tensor([float("nan"), 3.0]))


@pytest.mark.parametrize(
    "points",
    [
        5,
        "5,6",
        {"x": 1},
        [1],
        [1, 2, 3],
        [[1], 2],
        [[1, 2], 3],
        [[1, 2], [3]],
        [[[1, 2]], [3, 4]],
        [[]],
        [[[]]],
        [[[1, 2]], []],
        [[[[1, 2]]]],
        np.zeros((1, 1, 3)),
    ],
)
def test_wrong_nesting_of_points_is_refused(points):
    assert "expected" in refusal(points)


@pytest.mark.parametrize(
    "bboxes", [5, "a", [1, 2, 3], [[1, 2, 3]], [[1, 2, 3, 4], 5], [[[1, 2, 3, 4]]]]
)
def test_wrong_nesting_of_boxes_is_refused(bboxes):
    assert "is not a box: expected 4 numbers, [x1, y1, x2, y2]" in refusal(bboxes=bboxes)


@pytest.mark.parametrize("box", [[5, 5, 5, 9], [5, 5, 9, 5], [9, 5, 5, 9], [5, 9, 9, 5]])
def test_box_without_area_is_refused(box):
    assert "has no area: expected x1 < x2 and y1 < y2" in refusal(bboxes=box)


@pytest.mark.parametrize(
    ("points", "labels"),
    [
        ([1, 2], [1, 1]),
        ([1, 2], []),
        ([1, 2], [[1]]),
        ([[1, 2], [3, 4]], [1]),
        ([[1, 2], [3, 4]], [[1], [1]]),
        ([[1, 2], [3, 4]], [[1, 1]]),
        ([[[1, 2], [3, 4]]], [1, 1]),
        ([[[1, 2], [3, 4]]], [[1]]),
        ([[[1, 2]], [[3, 4]]], [[1, 1]]),
        ([[[1, 2]]], [[[1]]]),
    ],
)
def test_labels_that_do_not_match(points, labels):
    message = refusal(points, labels)
    assert f"labels={labels} do not match points={points}" in message


@pytest.mark.parametrize("label", [2, -1, 0.5, np.nan, "1", "x", None])
def test_label_that_is_not_0_or_1(label):
    assert "expected 1 for a point of the object, or 0 for the background" in refusal(
        [1, 2], [label]
    )


def test_labels_without_points_are_refused():
    assert "labels=[1] without points" in refusal(labels=[1], bboxes=[1, 2, 3, 4])


@pytest.mark.parametrize(
    ("points", "bboxes"),
    [
        ([[1, 2], [3, 4]], [1, 2, 3, 4]),
        ([1, 2], [[1, 2, 3, 4], [1, 2, 3, 4]]),
        ([[[1, 2], [3, 4]]], [[1, 2, 3, 4], [1, 2, 3, 4]]),
    ],
)
def test_points_and_boxes_that_do_not_pair(points, bboxes):
    assert "expected the same number of each" in refusal(points, bboxes=bboxes)


def test_long_values_are_quoted_in_part():
    assert "…" in refusal([[[1, 2]] * 5000], [1] * 5000)
