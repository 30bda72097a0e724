"""Random prompts and checkpoints lead to a finite answer, or to one line that says what is wrong."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reference import Predictor
from reference.common.errors import CheckpointError, PromptError
from reference.modeling.sam import Sam
from reference.prompts import normalize_prompts
from reference.weights.checkpoint import load_weights, resolve_checkpoint
from reference.weights.official_names import official_layout
from reference.weights.seeded_weights import seeded_state_dict
from tests.support.tiny_variant import TINY

PHOTO = (48, 64)  # height, width

without_limits = settings(
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

odd_numbers = st.sampled_from(
    [True, None, "1", b"1", 1j, 1e9, -1e300, 10**400, np.nan, -np.inf, np.float16(3), [1], {}]
)
coordinates = st.integers(-2, 70) | st.floats(0, 48)
numbers = coordinates | odd_numbers
lists = st.recursive(numbers, lambda inner: st.lists(inner, max_size=4), max_leaves=12)
shapes = st.lists(st.integers(0, 4), max_size=4).map(tuple)
arrays = st.builds(
    lambda shape, start, dtype: (
        np.arange(start, start + np.prod(shape)).reshape(shape).astype(dtype)
    ),
    shapes,
    st.integers(-1, 40),
    st.sampled_from(["f2", "f8", "i1", "u2", "c8", "?", "O", "U2"]),
)
tensors = st.builds(
    lambda shape, start, dtype: torch.full(shape, start).to(dtype),
    shapes,
    st.integers(-1, 40),
    st.sampled_from([torch.float32, torch.bfloat16, torch.int64, torch.bool, torch.complex64]),
)
points = st.lists(st.lists(coordinates, min_size=2, max_size=2), min_size=1, max_size=3)
labels = st.lists(st.sampled_from([0, 1, -1]), min_size=1, max_size=3)
boxes = st.lists(coordinates, min_size=4, max_size=4)
anything = lists | arrays | tensors
prompts = st.tuples(
    st.none() | points | points.map(lambda group: [group]) | anything,
    st.none() | labels | labels.map(lambda group: [group]) | anything,
    st.none() | boxes | boxes.map(lambda box: [box]) | anything,
)


@pytest.fixture(scope="module")
def predictor(tiny_sam):
    predictor = Predictor(tiny_sam)
    predictor.set_image(np.zeros((*PHOTO, 3), np.uint8))
    return predictor


@without_limits
@given(prompts)
def test_random_prompts_are_answered_or_refused(predictor, prompt):
    for ask in (predictor.predict, predictor.predict_torch):
        try:
            _, scores, logits = ask(*prompt)
            assert np.isfinite(np.asarray(scores)).all()
            assert np.isfinite(np.asarray(logits)).all()
        except PromptError as error:
            assert_one_line(error)
    try:
        for normal in normalize_prompts(*prompt, image_size=PHOTO):
            coords, kinds = normal.decoder_points()
            assert (coords >= 0).all()
            assert (coords <= [64.01, 48.01]).all()
            assert set(kinds) <= {0, 1, 2, 3}
    except PromptError as error:
        assert_one_line(error)


def assert_one_line(error: Exception) -> None:
    assert "\n" not in str(error)
    assert len(str(error)) < 2000


SAM = Sam(TINY)
WEIGHTS = seeded_state_dict(official_layout(SAM))
NAMES = list(WEIGHTS)

names = st.sampled_from([*NAMES[::40], "a", "", "module.", "image_encoder.", "x\n", "pixel_mean"])
prefixes = st.sampled_from(["", "module.", "model.", "a'b.", "\u202e"])
odd_tensors = st.sampled_from(
    [
        torch.ones(()),
        torch.ones(2, 3),
        torch.ones(0),
        torch.full((2,), torch.nan),
        torch.eye(2).to_sparse(),
        torch.ones(2, device="meta"),
        torch.ones(2, dtype=torch.complex64),
        torch.ones(2, dtype=torch.bool),
        torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
    ]
)
entries = odd_tensors | st.sampled_from([1, None, "text", np.int64(3), np.arange(3), {1}, 1j])
models = st.builds(
    lambda prefix, count, odd: (
        {prefix + name: WEIGHTS[name] for name in NAMES[count:]}
        | {prefix + name: tensor for name, tensor in odd.items()}
    ),
    prefixes,
    st.sampled_from([0, 0, 1, 300]),
    st.dictionaries(names, entries, max_size=1),
)
contents = st.recursive(
    entries | models,
    lambda inner: (
        st.dictionaries(st.sampled_from(["model", "ema", 3, None]) | names, inner, max_size=3)
        | st.lists(inner, max_size=2)
    ),
    max_leaves=4,
)


@settings(without_limits, max_examples=30)
@given(content=contents)
def test_random_checkpoints_are_loaded_or_refused(tmp_path, content):
    path = tmp_path / "mine.pt"
    torch.save(content, path)
    try:
        load_weights(SAM, resolve_checkpoint(path, TINY).state_dict)
    except CheckpointError as error:
        assert "\n" not in str(error)
