"""The reference computes what the original MobileSAM computes. tests/data/parity says where the numbers come from."""

import json
import runpy
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from reference import Predictor, build_sam

PARITY = Path(__file__).parents[1] / "data" / "parity"
CASES = json.loads((PARITY / "goldens.json").read_text())["cases"]

EMBEDDING_TOLERANCE = 1e-4
SCORE_TOLERANCE = 1e-4
LOGIT_TOLERANCE = 1e-3
PIXEL_TOLERANCE = 2  # of any mask


@dataclass(frozen=True)
class Answer:
    masks: np.ndarray
    scores: np.ndarray
    low_res_logits: np.ndarray


@pytest.fixture(scope="module")
def images(china, flower):
    return {
        "china": china,
        "flower_portrait": np.rot90(flower),
        "china_crop_333x517": china[40:373, 60:577],
        "flower_small_101x77": flower[100:201, 200:277],
    }


def answer_all(sam, images):
    """Return the embeddings of each image and the answer to each case."""
    predictor = Predictor(sam)
    embeddings, answers = {}, {}
    for name, image in images.items():
        predictor.set_image(image)
        embeddings[name] = predictor.get_image_embedding()[0, ::8, ::4, ::4].numpy()
        for case, entry in CASES.items():
            if entry["image"] != name:
                continue
            earlier = answers.get(entry.get("mask_from"))
            answers[case] = Answer(
                *predictor.predict(
                    point_coords=entry.get("points"),
                    point_labels=entry.get("labels"),
                    box=entry.get("box"),
                    mask_input=None if earlier is None else earlier.low_res_logits[:1],
                    multimask_output=entry["multimask"],
                )
            )
    return embeddings, answers


def expected_masks(goldens, case, like):
    packed = goldens[f"masks/{case}"]
    return np.unpackbits(packed, axis=1, count=like[0].size).reshape(like.shape).astype(bool)


@pytest.fixture(scope="module")
def conditioned(seeded_sam, images):
    return answer_all(seeded_sam, images), np.load(PARITY / "goldens_conditioned.npz")


@pytest.fixture(scope="module")
def saturated(images, tmp_path_factory):
    checkpoint = tmp_path_factory.mktemp("parity") / "mobile_sam_parity.pt"
    torch.save(runpy.run_path(PARITY / "make_checkpoint.py")["state_dict"](), checkpoint)
    return answer_all(build_sam("vit_t", checkpoint), images), np.load(PARITY / "goldens.npz")


@pytest.mark.parametrize(
    "weights", ["conditioned", pytest.param("saturated", marks=pytest.mark.slow)]
)
def test_embeddings_are_the_originals(weights, images, request):
    (embeddings, _), goldens = request.getfixturevalue(weights)
    for name in images:
        np.testing.assert_allclose(
            embeddings[name], goldens[f"embedding/{name}"], rtol=0, atol=EMBEDDING_TOLERANCE
        )


@pytest.mark.parametrize("case", CASES)
def test_answers_are_the_originals(conditioned, case):
    (_, answers), goldens = conditioned
    answer = answers[case]
    np.testing.assert_allclose(
        answer.scores, goldens[f"scores/{case}"], rtol=0, atol=SCORE_TOLERANCE
    )
    np.testing.assert_allclose(
        answer.low_res_logits[:, ::4, ::4],
        goldens[f"low_res_logits/{case}"],
        rtol=0,
        atol=LOGIT_TOLERANCE,
    )
    different = answer.masks != expected_masks(goldens, case, answer.masks)
    assert different.sum(axis=(1, 2)).max() <= PIXEL_TOLERANCE


@pytest.mark.parametrize("case", [case for case in CASES if "mask_from" not in CASES[case]])
def test_masks_agree_even_if_attention_is_saturated(saturated, case):
    """Rounding changes single attention weights here (see the README), so masks agree, but not their last digits.

    The refined mask is left out: it inherits the flips of two decodings, and the original code's own differs by a
    tenth from one machine to another. ``test_answers_are_the_originals`` holds it strictly, with the other weights.
    """
    (_, answers), goldens = saturated
    answer = answers[case]
    masks = expected_masks(goldens, case, answer.masks)
    iou = (answer.masks & masks).sum(axis=(1, 2)) / (answer.masks | masks).sum(axis=(1, 2))
    assert iou.min() >= 0.98
    error = np.abs(answer.low_res_logits[:, ::4, ::4] - goldens[f"low_res_logits/{case}"])
    assert np.median(error) <= 10 * LOGIT_TOLERANCE
    np.testing.assert_allclose(answer.scores, goldens[f"scores/{case}"], rtol=0, atol=0.003)
