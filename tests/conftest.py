"""Photos and models that many tests use."""

import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_image

from reference import build_sam

torch.set_num_threads(2)


@pytest.fixture(scope="session")
def china() -> np.ndarray:
    """uint8 (427, 640, 3): a temple, from scikit-learn."""
    return load_sample_image("china.jpg")


@pytest.fixture(scope="session")
def flower() -> np.ndarray:
    """uint8 (427, 640, 3): a dahlia, from scikit-learn."""
    return load_sample_image("flower.jpg")


@pytest.fixture(scope="session")
def demo_sam():
    """The full-size model with the seeded demo weights; tests must not change it."""
    return build_sam("vit_t", "demo")
