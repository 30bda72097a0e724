"""The protocol computes the expected scores of models with known answers."""

import numpy as np
import pytest
import torch

from reference.common.errors import AnswerError, MobileSAMError
from reference.photos.preprocessing import threshold_masks
from validation.accuracy import Instance, Sample, measure_accuracy
from validation.accuracy.results import PROTOCOLS, Accuracy, InstanceScore

FRAME, MASK = 256, 64
PHOTO = (150, 200)


class KnownModel:
    """A model that answers with given logits, and records its prompts."""

    frame_size = FRAME
    mean_color = np.zeros(3, np.float32)

    def __init__(self, *logits, scores=(0.5, 0.9, 0.1, 0.2)):
        self._logits = torch.stack([torch.as_tensor(item).float() for item in logits])[None]
        self._scores = torch.tensor([scores])
        self.encoded, self.asked = 0, []

    def encode_image(self, frame):
        self.encoded += 1
        return torch.zeros(1, 1, 16, 16)

    def decode_prompts(self, image_embeddings, points, boxes, mask_input):
        self.asked.append((points, boxes, mask_input))
        return self._logits, self._scores


def disk_logits(row, column, radius):
    rows, columns = torch.meshgrid(*[torch.arange(float(MASK))] * 2, indexing="ij")
    return radius - torch.hypot(rows - row, columns - column)


def mask_of(logits):
    return threshold_masks(logits[None, None], PHOTO, FRAME)[0, 0].numpy()


def sample(*masks, name="photo"):
    instances = tuple(Instance(f"object {i}", mask) for i, mask in enumerate(masks))
    return Sample(name, np.zeros((*PHOTO, 3), np.uint8), instances)


EVERYTHING = torch.full((MASK, MASK), 9.0)
OBJECT = disk_logits(20, 30, 12)
TRUTH = mask_of(OBJECT)
AREA_SHARE = TRUTH.mean()


def test_perfect_model_is_never_corrected():
    model = KnownModel(OBJECT, OBJECT, OBJECT, OBJECT)
    accuracy = measure_accuracy(model, [sample(TRUTH)])
    assert set(accuracy.miou.values()) == {1.0}
    assert len(model.asked) == 2  # a point and a box


def test_whole_photo_scores_the_share_of_the_object():
    model = KnownModel(EVERYTHING, EVERYTHING, EVERYTHING, EVERYTHING)
    accuracy = measure_accuracy(model, [sample(TRUTH)])
    assert accuracy.miou == pytest.approx(dict.fromkeys(accuracy.miou, AREA_SHARE))


def test_best_of_three_and_shown_are_told_apart():
    """Mask 0 answers the box, mask 1 has the highest score of the three, and mask 3 is right."""
    nothing = -EVERYTHING
    model = KnownModel(nothing, EVERYTHING, nothing, OBJECT, scores=(0.99, 0.9, 0.1, 0.2))
    miou = measure_accuracy(model, [sample(TRUTH)]).miou
    assert miou["point_best_of_three"] == 1.0
    assert miou["point"] == pytest.approx(AREA_SHARE)
    assert miou["box"] == miou["three_clicks"] == 0.0


def test_every_protocol_asks_its_prompts():
    smaller = disk_logits(20, 30, 8)
    model = KnownModel(smaller, EVERYTHING, OBJECT, OBJECT)
    measure_accuracy(model, [sample(TRUTH)])
    (points, box, _), (no_points, asked_box, _), *clicks = model.asked
    scale = FRAME / PHOTO[1]

    (first,), (label,) = points[0][0].numpy() / scale, points[1][0]
    assert (TRUTH[tuple(np.rint(first[::-1]).astype(int))], label, box) == (True, 1, None)
    assert no_points is None
    rows, columns = np.nonzero(TRUTH)
    expected_box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    np.testing.assert_allclose(asked_box[0].numpy() / scale, expected_box, rtol=1e-5)

    assert len(clicks) == 3
    for count, (points, box, mask_input) in enumerate(clicks, start=2):
        assert box is None
        assert points[0].shape == (1, count, 2)
        # the first mask is the whole photo; later masks have too little of the object
        assert points[1].tolist() == [[1, 0, 1, 1][:count]]
        expected_logits = EVERYTHING if count == 2 else smaller
        assert torch.equal(mask_input[0, 0], expected_logits)
    coords = clicks[-1][0][0][0].numpy() / scale
    inside = [TRUTH[y, x] for x, y in np.rint(coords).astype(int)]
    assert inside == [True, False, True, True]


def test_photos_are_encoded_once():
    model = KnownModel(OBJECT, OBJECT, OBJECT, OBJECT)
    other = mask_of(disk_logits(10, 10, 5))
    samples = [sample(TRUTH, other), sample(name="without objects"), sample(other, name="last")]
    accuracy = measure_accuracy(model, samples)
    assert model.encoded == 2
    names = [(score.sample, score.instance) for score in accuracy.scores]
    assert names == [("photo", "object 0"), ("photo", "object 1"), ("last", "object 0")]
    assert [score.area for score in accuracy.scores] == [TRUTH.sum(), other.sum(), other.sum()]


@pytest.mark.parametrize("scores", [(0.5, 0.9, 0.1, 0.2), (0.5, float("nan"), 0.1, 0.2)])
def test_answer_that_is_not_finite_is_refused(scores):
    broken = OBJECT.clone()
    if np.isfinite(scores).all():
        broken[3, 3] = float("inf")
    model = KnownModel(OBJECT, broken, OBJECT, OBJECT, scores=scores)
    with pytest.raises(AnswerError, match="NaN or infinite"):
        measure_accuracy(model, [sample(TRUTH)])


def test_masks_that_show_no_object_are_told():
    """Mask 0 answers the box and the corrections; mask 1 has the highest score of the three."""
    accuracy = measure_accuracy(
        KnownModel(-EVERYTHING, EVERYTHING, OBJECT, OBJECT), [sample(TRUTH)]
    )
    (score,) = accuracy.scores
    assert score.blank == ("point", "box", "three_clicks")
    assert accuracy.unproven == ["point", "box", "three_clicks"]


def test_object_that_is_missed_every_time_proves_nothing():
    elsewhere = disk_logits(5, 55, 4)
    model = KnownModel(elsewhere, elsewhere, elsewhere, elsewhere)
    assert measure_accuracy(model, [sample(TRUTH)]).unproven == list(PROTOCOLS)
    assert measure_accuracy(KnownModel(*[OBJECT] * 4), [sample(TRUTH)]).unproven == []


def test_accuracy_without_objects_is_refused():
    with pytest.raises(MobileSAMError, match="no object to ask about"):
        measure_accuracy(KnownModel(OBJECT, OBJECT, OBJECT, OBJECT), [sample()])


def test_reference_model_is_measured(tiny_sam, china):
    mask = np.zeros(china.shape[:2], bool)
    mask[100:300, 200:450] = True
    samples = [Sample("china", china, (Instance("temple", mask),))]
    accuracy = measure_accuracy(tiny_sam, samples)
    assert all(0 <= iou <= 1 for iou in accuracy.miou.values())
    assert accuracy.miou["point_best_of_three"] >= accuracy.miou["point"]
    assert accuracy == measure_accuracy(tiny_sam, samples)


# Results


def score(area, iou, is_part=None):
    protocols = ("point_best_of_three", "point", "box", "three_clicks")
    return InstanceScore("photo", f"{area}", area, is_part, dict.fromkeys(protocols, iou))


def test_groups_are_by_size_and_kind():
    accuracy = Accuracy(
        (score(1023, 0.1), score(1024, 0.2, True), score(9215, 0.4, False), score(9216, 0.8, True))
    )
    groups = accuracy.groups
    assert {name: len(group.scores) for name, group in groups.items()} == {
        "small": 1,
        "medium": 2,
        "large": 1,
        "whole": 1,
        "part": 2,
    }
    assert groups["medium"].miou["box"] == pytest.approx(0.3)
    assert groups["part"].miou["box"] == pytest.approx(0.5)
    assert accuracy.miou["box"] == pytest.approx(0.375)


def test_groups_without_objects_are_left_out():
    assert list(Accuracy((score(5, 0.1),)).groups) == ["small"]


def test_miou_lost_is_a_difference_of_means():
    ours, theirs = Accuracy((score(5, 0.5), score(5, 0.7))), Accuracy((score(5, 0.6), score(5, 1)))
    assert ours.miou_lost(theirs)["box"] == pytest.approx(0.2)
    assert theirs.miou_lost(ours)["box"] == pytest.approx(-0.2)
