"""A small dataset in COCO's format."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.coco_records import SIZE, annotation_record, photo_record


@pytest.fixture
def dataset(tmp_path) -> Callable[..., Path]:
    """Write a dataset of two photos. Lists passed by name replace the default ones."""

    def write(**lists) -> Path:
        folder = tmp_path / "dataset"
        folder.mkdir(exist_ok=True)
        generator = np.random.default_rng(0)
        for number in (1, 2):
            pixels = generator.integers(0, 256, (*SIZE, 3), np.uint8)
            Image.fromarray(pixels).save(folder / f"photo{number}.png")
        document = {
            "images": [photo_record(1), photo_record(2)],
            "annotations": [
                annotation_record(10, 1),
                annotation_record(11, 1, [50, 10, 90, 20, 70, 60]),
                annotation_record(12, 2, [60, 20, 64, 20, 64, 24, 60, 24]),
            ],
        } | lists
        (folder / "annotations.json").write_text(json.dumps(document))
        return folder

    return write
