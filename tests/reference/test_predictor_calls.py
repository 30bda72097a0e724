"""``Predictor`` takes the calls of the original in the forms that programs use, and names what is no prompt."""

import numpy as np
import pytest
import torch

from reference import Predictor
from reference.common.errors import ImageError, PromptError
from reference.photos.resize_longest_side import ResizeLongestSide
from reference.prompts import Prompt
from reference.segmentation import segment_objects

POINT, LABEL = np.array([[320, 200]]), np.array([1])
BOX = np.array([150, 90, 480, 330])


@pytest.fixture(scope="module")
def predictor(tiny_sam, china):
    predictor = Predictor(tiny_sam)
    predictor.set_image(china)
    return predictor


def assert_same(answers, expected):
    for answer, other in zip(answers, expected, strict=True):
        assert np.array_equal(np.asarray(answer), np.asarray(other))


class TestForms:
    @pytest.mark.parametrize(
        "box",
        [
            BOX[None, :],
            BOX.reshape(2, 2),
            BOX.reshape(1, 2, 2),
            BOX.tolist(),
            BOX.astype(np.float16),
            torch.tensor(BOX),
            torch.tensor(BOX, dtype=torch.float32, requires_grad=True),
            torch.tensor(BOX[None], dtype=torch.float64),
            list(torch.tensor(BOX)),
        ],
        ids=range(9),
    )
    def test_boxes_are_taken_in_every_form(self, predictor, box):
        assert_same(predictor.predict(box=box), predictor.predict(box=BOX))

    @pytest.mark.parametrize(
        ("coords", "labels"),
        [
            (POINT.tolist(), [1]),
            (POINT[None], LABEL[None]),
            (POINT.astype(float), LABEL.astype(float)),
            (POINT, np.array([True])),
            (torch.tensor(POINT), torch.tensor(LABEL)),
            (torch.tensor([[320.0, 200.0]], requires_grad=True), LABEL),
            (torch.tensor([[320.0, 200.0]], dtype=torch.bfloat16), LABEL),
            ([torch.tensor([320, 200])], [torch.tensor(1)]),
        ],
        ids=range(8),
    )
    def test_points_are_taken_in_every_form(self, predictor, coords, labels):
        assert_same(predictor.predict(coords, labels), predictor.predict(POINT, LABEL))

    def test_float64_coordinates_are_rounded_once_in_the_frame(self, predictor):
        point = np.array([[100 / 3, 200 / 7]])
        frame = predictor.transform.apply_coords(point, predictor.original_size)
        asked = predictor.predict_torch(torch.tensor(frame)[None], torch.ones(1, 1))
        assert_same(predictor.predict(point, LABEL), [answer[0] for answer in asked])

    def test_empty_points_beside_a_box_are_none(self, predictor):
        expected = predictor.predict(box=BOX)
        assert_same(predictor.predict(np.zeros((0, 2)), np.zeros(0), box=BOX), expected)
        assert_same(predictor.predict([], [], box=BOX), expected)

    def test_no_prompt_at_all_is_answered(self, predictor):
        assert predictor.predict()[2].shape == (3, 64, 64)

    def test_refinement_as_the_notebook_writes_it(self, predictor):
        _, scores, logits = predictor.predict(point_coords=POINT, point_labels=LABEL)
        mask_input = logits[np.argmax(scores), :, :]
        masks, _, _ = predictor.predict(
            point_coords=POINT,
            point_labels=LABEL,
            mask_input=mask_input[None, :, :],
            multimask_output=False,
        )
        assert masks.shape == (1, 427, 640)

    def test_box_that_sticks_out_is_not_clipped(self, predictor):
        inside = predictor.predict(box=[0, 0, 640, 427])[2]
        assert not np.array_equal(predictor.predict(box=[-7.5, -3, 650, 440])[2], inside)


class TestPhotos:
    def test_channels_may_be_in_the_order_of_opencv(self, tiny_sam, china, predictor):
        other = Predictor(tiny_sam)
        other.set_image(china[..., ::-1], image_format="BGR")
        assert torch.equal(other.features, predictor.features)
        opaque = np.dstack([china[..., ::-1], np.full(china.shape[:2], 255, np.uint8)])
        other.set_image(opaque, image_format="BGR")
        assert torch.equal(other.features, predictor.features)

    @pytest.mark.parametrize(
        ("image", "image_format"),
        [(np.zeros((4, 4, 3), np.uint8), "GBR"), (np.zeros((4, 4), np.uint8), "BGR"), ("a", "BGR")],
    )
    def test_other_orders_are_refused(self, tiny_sam, image, image_format):
        with pytest.raises(ImageError, match="image_format"):
            Predictor(tiny_sam).set_image(image, image_format)

    @pytest.mark.parametrize("dtype", [torch.uint8, torch.float64])
    def test_set_torch_image_takes_a_frame(self, tiny_sam, china, predictor, dtype):
        other = Predictor(tiny_sam)
        resized = other.transform.apply_image(china)
        frame = torch.as_tensor(resized).permute(2, 0, 1).contiguous()[None].to(dtype)
        if frame.is_floating_point():
            frame.requires_grad_()
        other.set_torch_image(frame, china.shape[:2])
        assert torch.equal(other.features, predictor.features)
        assert_same(other.predict(POINT, LABEL), predictor.predict(POINT, LABEL))

    def test_the_size_that_was_set_is_the_size_that_is_cropped(self, tiny_sam, china):
        predictor = Predictor(tiny_sam)
        predictor.set_torch_image(torch.zeros(1, 3, 100, 256), china.shape[:2])
        assert (predictor.input_size, predictor.original_size) == ((100, 256), (427, 640))
        masks = predictor.predict_torch(None, None, torch.tensor([[9, 9, 90, 90]]))[0]
        assert masks.shape == (1, 3, 427, 640)

    @pytest.mark.parametrize(
        ("shape", "size", "message"),
        [
            ((3, 171, 256), (427, 640), "transformed_image has shape"),
            ((1, 3, 171, 255), (427, 640), "longer side of 256"),
            ((2, 3, 171, 256), (427, 640), r"expected \(1, 3, h, w\)"),
            ((1, 3, 171, 256), (0, 640), r"original_image_size is \(0, 640\)"),
            ((1, 3, 171, 256), (427, 640, 3), "original_image_size is"),
            ((1, 3, 171, 256), 427, "original_image_size is 427: expected the photo's"),
            ((1, 3, 171, 256), None, "original_image_size is None"),
            ((1, 3, 171, 256), ("427", "wide"), "original_image_size is"),
            ((1, 3, 171, 256), (float("nan"), 640), r"original_image_size is \(nan, 640\)"),
        ],
    )
    def test_frames_that_do_not_fit(self, tiny_sam, shape, size, message):
        with pytest.raises(ImageError, match=message):
            Predictor(tiny_sam).set_torch_image(torch.zeros(shape), size)

    @pytest.mark.parametrize(
        ("frame", "message"),
        [
            (None, "transformed_image is of type NoneType: expected a tensor"),
            ("photo.jpg", "transformed_image is of type str: expected a tensor"),
            (torch.full((1, 3, 171, 256), torch.nan), "transformed_image holds NaN or infinity"),
        ],
    )
    def test_frames_that_are_none(self, tiny_sam, frame, message):
        with pytest.raises(ImageError, match=message):
            Predictor(tiny_sam).set_torch_image(frame, (427, 640))

    def test_what_programs_read_and_keep(self, tiny_sam, predictor):
        assert predictor.is_image_set
        assert predictor.original_size == (427, 640)
        assert predictor.input_size == (171, 256)
        assert predictor.device == torch.device("cpu")
        assert tiny_sam.mask_threshold == 0
        other = Predictor(tiny_sam)
        assert not other.is_image_set
        assert (other.features, other.original_size, other.input_size) == (None, None, None)
        other.features, other.is_image_set = predictor.get_image_embedding(), True
        other.original_size, other.input_size = predictor.original_size, predictor.input_size
        assert_same(other.predict(POINT, LABEL), predictor.predict(POINT, LABEL))
        other.reset_image()
        with pytest.raises(PromptError, match="call set_image"):
            other.predict_torch(None, None)


class TestBatches:
    def test_boxes_as_the_notebook_writes_them(self, predictor, china):
        boxes = torch.tensor([[75, 20, 600, 400], [50, 60, 400, 300]], device=predictor.device)
        transformed = predictor.transform.apply_boxes_torch(boxes, china.shape[:2])
        masks, scores, logits = predictor.predict_torch(
            point_coords=None,
            point_labels=None,
            boxes=transformed,
            multimask_output=False,
        )
        assert masks.shape == (2, 1, 427, 640)
        for box, mask, score, logit in zip(boxes, masks, scores, logits, strict=True):
            alone = predictor.predict(box=box, multimask_output=False)
            assert np.count_nonzero(alone[0] != mask.numpy()) <= 2
            np.testing.assert_allclose(alone[1], score, atol=1e-5)
            np.testing.assert_allclose(alone[2], logit, atol=1e-4)

    def test_a_point_of_label_minus_1_stands_for_none(self, predictor):
        """A point of label -1 fills up the shorter list, and where it lies does not matter."""
        coords = predictor.transform.apply_coords_torch(
            torch.tensor([[[300, 200], [100, 80]], [[50, 60], [-99, 9999]]]), (427, 640)
        )
        labels = torch.tensor([[1, 0], [1, -1]])
        logits = predictor.predict_torch(coords, labels)[2]
        moved = coords.clone()
        moved[1, 1] = 7
        assert torch.equal(predictor.predict_torch(moved, labels)[2], logits)

    def test_points_with_boxes_may_share_one_mask(self, predictor):
        mask = torch.linspace(-9, 9, 64 * 64).reshape(1, 1, 64, 64)
        coords, boxes = torch.tensor([[[9.0, 9]], [[90, 90]]]), torch.tensor([[5, 5, 99, 99]] * 2)
        together = predictor.predict_torch(coords, torch.ones(2, 1), boxes, mask, False)[2]
        unbatched = predictor.predict_torch(coords, torch.ones(2, 1), boxes, mask[0], False)[2]
        assert torch.equal(unbatched, together)
        for b in range(2):
            alone = predictor.predict_torch(
                coords[b : b + 1], torch.ones(1, 1), boxes[b : b + 1], mask, False
            )[2]
            torch.testing.assert_close(together[b : b + 1], alone, rtol=0, atol=1e-4)

    def test_the_whole_model_can_be_called(self, tiny_sam, china, predictor):
        transform = ResizeLongestSide(tiny_sam.image_encoder.img_size)
        image = torch.as_tensor(transform.apply_image(china)).permute(2, 0, 1).contiguous()
        boxes = transform.apply_boxes_torch(torch.tensor(BOX[None]), china.shape[:2])
        points = transform.apply_coords_torch(torch.tensor(POINT[None]), china.shape[:2])
        size = china.shape[:2]
        batch = [
            {"image": image, "boxes": boxes, "original_size": size},
            {
                "image": image,
                "point_coords": points,
                "point_labels": torch.ones(1, 1),
                "original_size": size,
            },
        ]
        by_box, by_point = tiny_sam(batch, multimask_output=False)
        names = "masks", "iou_predictions", "low_res_logits"
        for answer, prompt in ((by_box, {"box": BOX}), (by_point, {"point_coords": POINT})):
            labels = LABEL if "point_coords" in prompt else None
            alone = predictor.predict(**prompt, point_labels=labels, multimask_output=False)
            assert answer["masks"].dtype == torch.bool
            for name, expected in zip(names, alone, strict=True):
                # Coordinates are rounded to float32 before they are scaled, as in the original.
                np.testing.assert_allclose(answer[name][0].float(), expected, atol=1e-4)

    @pytest.mark.parametrize("missing", ["image", "original_size"])
    def test_photos_of_a_batch_that_lack_something(self, tiny_sam, missing):
        record = {"image": torch.zeros(3, 171, 256), "original_size": (427, 640)}
        del record[missing]
        with pytest.raises(ImageError, match=f"batched_input lacks {missing}: expected image, "):
            tiny_sam([record], multimask_output=False)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((np.zeros((2, 1, 2)), np.ones((1, 1))), "2×1 point_coords with 1×1 point_labels"),
            ((np.zeros((1, 2)), np.ones(1)), "point_coords has shape"),
            ((None, np.ones((1, 1))), "point_coords is missing"),
            ((np.zeros((1, 1, 2)), None), "point_labels is missing"),
            ((None, None, [1, 2, 3, 4]), "boxes has shape"),
            ((None, None, [[9, 9, 5, 5]]), r"box \(9, 9, 5, 5\) has no area"),
            (
                (None, None, [[1, 1, 9, 9], [9999, 1, 10000, 9]]),
                "does not overlap the resized photo",
            ),
            ((np.full((1, 1, 2), 250), np.ones((1, 1))), "outside the resized photo of 256×171"),
            ((np.ones((1, 1, 2)), np.full((1, 1), 2)), "label 2: expected"),
            (
                (np.ones((2, 1, 2)), np.ones((2, 1)), [[1, 1, 9, 9]]),
                "2 in point_coords, 1 in boxes",
            ),
            (
                (None, None, [[1, 1, 9, 9]] * 3, np.zeros((2, 1, 64, 64))),
                "3 in boxes, 2 in mask_input",
            ),
            ((None, None, None, np.zeros((2, 64, 64))), "mask_input has shape"),
            ((None, None, np.zeros((0, 4))), "boxes has shape"),
        ],
    )
    def test_what_does_not_fit(self, predictor, arguments, message):
        with pytest.raises(PromptError, match=message):
            predictor.predict_torch(*arguments)


class TestWhatIsNoPrompt:
    @pytest.mark.parametrize("label", [7, 1.5, -5, 2, 3, -2])
    def test_labels_that_mean_nothing_are_refused(self, predictor, label):
        with pytest.raises(
            PromptError, match=f"label {label}: expected 1 for a point of the object"
        ):
            predictor.predict(POINT, [label])

    @pytest.mark.parametrize("box", [[40, 30, 5, 5], [5, 5, 5, 9], [9, 5, 5, 9]])
    def test_reversed_boxes_are_refused(self, predictor, box):
        with pytest.raises(PromptError, match="has no area: expected x1 < x2 and y1 < y2"):
            predictor.predict(box=box)

    @pytest.mark.parametrize("point", [[9999, 5], [-1, 5], [5, 428], [641, 5], [1e30, 5]])
    def test_points_outside_are_refused(self, predictor, point):
        with pytest.raises(PromptError, match="is outside the photo of 640×427 pixels"):
            predictor.predict([[300, 200], point], [1, 1])

    @pytest.mark.parametrize(
        ("box", "message"),
        [
            ([700, 5, 800, 50], "does not overlap the photo of 640×427 pixels"),
            ([-9, 5, 0, 50], "does not overlap"),
            ([-9999, 5, 50, 50], "reaches more than 640 pixels beyond the photo"),
            ([5, 5, 50, 1e9], "reaches more than 640 pixels beyond"),
        ],
    )
    def test_boxes_outside_are_refused(self, predictor, box, message):
        with pytest.raises(PromptError, match=message):
            predictor.predict(box=box)

    @pytest.mark.parametrize("point", [[0, 0], [640, 427], [639.999, 0]])
    def test_edges_are_inside(self, predictor, point):
        assert predictor.predict([point], [1])[1].shape == (3,)
        assert predictor.predict(box=[0, 0, 640, 427])[1].shape == (3,)

    def test_prompts_are_checked_even_if_the_caller_made_them(self, tiny_sam, china):
        with pytest.raises(PromptError, match="label 7"):
            segment_objects(tiny_sam, china, [Prompt(np.array([[5.0, 5]]), np.array([7]))])

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (
                {"point_coords": [[1, 2]], "point_labels": [1, 0]},
                "1 point_coords with 2 point_labels",
            ),
            (
                {"point_coords": [[1, 2]]},
                "point_labels is missing: expected a number for each point",
            ),
            ({"point_coords": [[float("nan"), 2]], "point_labels": [1]}, "NaN"),
            ({"point_coords": [1, 2], "point_labels": [1]}, r"has shape \(2,\): expected N×2"),
            ({"box": [1, 2, 3]}, r"box has shape \(3,\): expected 4"),
            ({"mask_input": np.zeros((1, 8, 8))}, "mask_input has shape"),
            ({"mask_input": np.full((1, 64, 64), 1e39)}, "mask_input holds numbers too large"),
            ({"box": [[1, 2, 9, 9], [1, 2, 9, 9]]}, "the box of one object; for several boxes"),
            ({"box": [1j, 2, 9, 9]}, "box is not numeric"),
            (
                {"point_coords": [[1, 2], [3]], "point_labels": [1, 1]},
                "point_coords is not numeric",
            ),
            ({"point_coords": [], "point_labels": []}, "point_coords is empty"),
            ({"point_labels": [1]}, "point_coords is missing"),
            ({"point_coords": "ab", "point_labels": [1]}, "point_coords is not numeric"),
        ],
    )
    def test_wrong_shapes_and_types_are_refused(self, predictor, arguments, message):
        with pytest.raises(PromptError, match=message):
            predictor.predict(**arguments)
