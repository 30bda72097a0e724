"""``SAM.predict`` takes prompts in every form, and ``Predictor`` behaves like the original."""

import numpy as np
import pytest
import torch
from PIL import Image

from reference import SAM, Predictor
from reference.common.errors import MobileSAMError, PromptError
from reference.photos.preprocessing import masks_to_photo, photo_to_frame, resized_size
from tests.support.tiny_variant import TINY


@pytest.fixture(scope="module")
def sam():
    return SAM("seeded", TINY.name)


@pytest.fixture(scope="module")
def predictor(tiny_sam, china):
    predictor = Predictor(tiny_sam)
    predictor.set_image(china)
    return predictor


@pytest.mark.parametrize(
    ("prompt", "objects", "masks"),
    [
        ({"points": [320, 200], "labels": [1]}, 1, 3),
        ({"points": [320, 200]}, 1, 3),
        ({"points": [[320, 200], [100, 80]], "labels": [1, 1]}, 2, 3),
        ({"points": [[[320, 200], [100, 80]]], "labels": [[1, 1]]}, 1, 1),
        ({"points": [[[320, 200], [100, 80]]], "labels": [[1, 0]]}, 1, 1),
        ({"points": [[[320, 200]], [[100, 80], [5, 5]]], "labels": [[1], [1, 0]]}, 2, None),
        ({"bboxes": [150, 90, 480, 330]}, 1, 1),
        ({"bboxes": [[150, 90, 480, 330], [10, 10, 90, 90]]}, 2, 1),
        ({"bboxes": [150, 90, 480, 330], "points": [[[300, 210]]], "labels": [[0]]}, 1, 1),
        ({"points": np.array([320, 200]), "labels": np.array([1])}, 1, 3),
        ({"points": torch.tensor([[320, 200]])}, 1, 3),
    ],
)
def test_every_form_of_prompt_is_answered(sam, china, prompt, objects, masks):
    results = sam.predict(china, **prompt)
    assert len(results) == objects
    for result in results:
        count = len(result.scores)
        assert masks in (None, count)
        assert result.masks.shape == (count, 427, 640)
        assert result.masks.dtype == bool
        assert result.low_res_logits.shape == (count, 64, 64)
        assert list(result.scores) == sorted(result.scores, reverse=True)


def test_paths_pictures_and_arrays_are_the_same_photo(sam, china, tmp_path):
    path = tmp_path / "china.png"
    Image.fromarray(china).save(path)
    answers = [
        sam.predict(image, points=[320, 200])[0]
        for image in (china, Image.fromarray(china), path, str(path))
    ]
    for answer in answers[1:]:
        assert np.array_equal(answer.masks, answers[0].masks)


def test_a_negative_label_changes_the_answer(sam, china):
    points = [[[320, 200], [100, 80]]]
    positive = sam.predict(china, points=points, labels=[[1, 1]])[0]
    negative = sam.predict(china, points=points, labels=[[1, 0]])[0]
    assert not np.array_equal(positive.low_res_logits, negative.low_res_logits)


def test_several_objects_are_answered_as_if_asked_alone(sam, china):
    together = sam.predict(china, points=[[320, 200], [100, 80]])
    for point, answer in zip([[320, 200], [100, 80]], together, strict=True):
        alone = sam.predict(china, points=point)[0]
        np.testing.assert_allclose(answer.low_res_logits, alone.low_res_logits, atol=1e-5)


def test_predict_returns_masks_scores_and_logits(predictor):
    masks, scores, logits = predictor.predict(np.array([[320, 200]]), np.array([1]))
    assert (masks.shape, scores.shape, logits.shape) == ((3, 427, 640), (3,), (3, 64, 64))
    floats, _, _ = predictor.predict(np.array([[320, 200]]), np.array([1]), return_logits=True)
    assert np.array_equal(floats > 0, masks)
    single, _, _ = predictor.predict(box=np.array([10, 10, 99, 99]), multimask_output=False)
    assert single.shape == (1, 427, 640)


def test_batches_of_boxes_equal_boxes_one_by_one(predictor):
    boxes = torch.tensor([[10.0, 10, 99, 99], [50, 40, 200, 150]])
    together = predictor.predict_torch(None, None, boxes)[2]
    for i in range(2):
        alone = predictor.predict_torch(None, None, boxes[i : i + 1])[2]
        torch.testing.assert_close(together[i : i + 1], alone, rtol=0, atol=1e-5)


def test_a_mask_alone_is_a_prompt(predictor):
    logits = predictor.predict(np.array([[320, 200]]), np.array([1]))[2]
    assert predictor.predict(mask_input=logits[:1])[2].shape == (3, 64, 64)


def test_a_photo_must_be_set_first(tiny_sam, china):
    predictor = Predictor(tiny_sam)
    with pytest.raises(PromptError, match="call set_image"):
        predictor.predict(np.array([[1, 2]]), np.array([1]))
    predictor.set_image(china)
    assert predictor.get_image_embedding().shape == (1, 64, 16, 16)
    predictor.reset_image()
    with pytest.raises(PromptError):
        predictor.get_image_embedding()


def test_an_unknown_model_is_refused():
    with pytest.raises(MobileSAMError, match="unknown model 'vit_x': expected one of vit_t"):
        SAM("seeded", "vit_x")


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((427, 640), (683, 1024)),
        ((640, 427), (1024, 683)),
        ((1, 1), (1024, 1024)),
        ((1, 5000), (1, 1024)),  # never nothing
        ((9000, 12000), (768, 1024)),
        ((101, 77), (1024, 781)),
        ((3, 2048), (2, 1024)),  # 1.5 rounds up
    ],
)
def test_resized_size_is_rounded_as_in_the_original(size, expected):
    assert resized_size(*size, 1024) == expected


def test_frame_is_padded_with_what_normalization_makes_zero(china, tiny_sam):
    frame = torch.from_numpy(photo_to_frame(china, 256, tiny_sam.mean_color))
    normalized = (frame - tiny_sam.pixel_mean) / tiny_sam.pixel_std
    assert (normalized[:, :, 171:] == 0).all()
    assert (normalized[:, :, :171] != 0).any()


def test_masks_come_back_to_the_photos_geometry():
    """A half-plane in the frame is the same half-plane in the photo, to a pixel."""
    logits = torch.ones(1, 1, 64, 64)
    logits[..., 32:] = -1
    mask = masks_to_photo(logits, (427, 640), 256)[0, 0] > 0
    assert mask[:, :319].all()
    assert not mask[:, 321:].any()
