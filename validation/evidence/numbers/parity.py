"""Measures how far the reference is from the original MobileSAM, whose results are in tests/data/parity."""

import json
import runpy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_sample_image

from reference.builder import build_sam
from reference.modeling.sam import Sam
from reference.predictor import Predictor
from validation.evidence.bench import Bench
from validation.evidence.page import CHECKOUT, MASK_TOOLS, MET, MISSED, Table

PARITY = CHECKOUT / "tests" / "data" / "parity"
LARGEST = (1e-4, 1e-4, 1e-3)  # aims for differences of embeddings, scores and low-resolution logits
MOST_PIXELS = 2  # aim for the pixels of a mask that differ


@dataclass(frozen=True)
class Difference:
    """The largest differences of one case, over its masks.

    Attributes:
        embedding: the largest difference of an embedding.
        score: the largest difference of a score.
        logit: the largest difference of a low-resolution logit.
        pixels: the number of different pixels in the mask that has most of them.
        iou: the lowest IoU of a mask.
    """

    embedding: float
    score: float
    logit: float
    pixels: int
    iou: float

    @property
    def verdict(self) -> str:
        """Whether all aims are met. NaN meets none."""
        values = (self.embedding, self.score, self.logit)
        close = all(value <= aim for value, aim in zip(values, LARGEST, strict=True))
        return MET if close and self.pixels <= MOST_PIXELS else MISSED


def measure_parity(bench: Bench) -> list[Table]:
    """Measure the nine cases with both sets of weights. Return a table for each set."""
    checkpoint = bench.folder / "mobile_sam_parity.pt"
    torch.save(runpy.run_path(str(PARITY / "make_checkpoint.py"))["state_dict"](), checkpoint)
    saturated = build_sam("vit_t", checkpoint)
    return [
        _table(
            "parity-conditioned", build_sam("vit_t", "seeded"), PARITY / "goldens_conditioned.npz"
        ),
        _table("parity-saturated", saturated, PARITY / "goldens.npz"),
    ]


def _table(name: str, sam: Sam, goldens: Path) -> Table:
    embedding, score, logit = LARGEST
    header = (
        "<case",
        f"embeddings Δ (≤ {embedding:.0e})",
        f"scores Δ (≤ {score:.0e})",
        f"logits Δ (≤ {logit:.0e})",
        f"pixels (≤ {MOST_PIXELS})",
        "IoU min",
        "<verdict",
    )
    rows = [
        (
            case,
            *(f"{value:.1e}" for value in (found.embedding, found.score, found.logit)),
            str(found.pixels),
            f"{found.iou:.4f}",
            found.verdict,
        )
        for case, found in _differences(sam, np.load(goldens)).items()
    ]
    capability = torch.backends.cpu.get_cpu_capability()
    note = f"Against `{goldens.relative_to(CHECKOUT)}`; PyTorch computes with {capability}."
    return Table(name, MASK_TOOLS, header, rows, note)


def _differences(sam: Sam, goldens: Mapping[str, np.ndarray]) -> dict[str, Difference]:
    cases = json.loads((PARITY / "goldens.json").read_text())["cases"]
    predictor, low_res, found = Predictor(sam), {}, {}
    for image, pixels in _images().items():
        predictor.set_image(pixels)
        embedding = predictor.get_image_embedding()[0, ::8, ::4, ::4].numpy()
        embedding_difference = _largest(embedding, goldens[f"embedding/{image}"])
        for name, case in cases.items():
            if case["image"] != image:
                continue
            earlier = low_res.get(case.get("mask_from"))
            masks, scores, low_res[name] = predictor.predict(
                point_coords=case.get("points"),
                point_labels=case.get("labels"),
                box=case.get("box"),
                mask_input=None if earlier is None else earlier[:1],
                multimask_output=case["multimask"],
            )
            different, iou = _compare_masks(masks, goldens[f"masks/{name}"])
            found[name] = Difference(
                embedding=embedding_difference,
                score=_largest(scores, goldens[f"scores/{name}"]),
                logit=_largest(low_res[name][:, ::4, ::4], goldens[f"low_res_logits/{name}"]),
                pixels=different,
                iou=iou,
            )
    return found


def _images() -> dict[str, np.ndarray]:
    china, flower = load_sample_image("china.jpg"), load_sample_image("flower.jpg")
    return {
        "china": china,
        "flower_portrait": np.rot90(flower),
        "china_crop_333x517": china[40:373, 60:577],
        "flower_small_101x77": flower[100:201, 200:277],
    }


def _largest(values: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(values - expected).max())


def _compare_masks(masks: np.ndarray, packed: np.ndarray) -> tuple[int, float]:
    """Return the most pixels that differ in a mask, and the lowest IoU of a mask."""
    pixels = np.unpackbits(packed, axis=1, count=masks[0].size)
    expected = pixels.reshape(masks.shape).astype(bool)
    both, either = (
        np.count_nonzero(combined, axis=(1, 2)) for combined in (masks & expected, masks | expected)
    )
    return int((either - both).max()), float((both / np.maximum(either, 1)).min())
