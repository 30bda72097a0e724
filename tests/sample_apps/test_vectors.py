import base64
import json

import numpy as np
import pytest

from validation.evidence.app_vectors import VECTORS, build_vectors


def test_vectors_are_what_the_reference_computes():
    """If a change of the reference fails this, run python -m validation.evidence.app_vectors and test the apps."""
    committed, current = json.loads(VECTORS.read_text()), build_vectors()
    for mask, expected in zip(committed["masks"], current["masks"], strict=True):
        # The last bit depends on the processor.
        assert _floats(mask.pop("logits")) == pytest.approx(
            _floats(expected.pop("logits")), abs=1e-5
        )
    assert committed == current


def _floats(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<f4")


def test_some_prompts_are_too_long():
    slots = build_vectors()["slots"]
    assert 0 < sum("error" in entry for entry in slots) < len(slots)
