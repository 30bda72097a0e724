"""Photos and models that many tests use."""

import gc
import math
import signal
from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.datasets import load_sample_image

import reference.common.progress
from converters.conversion import Source, load_source
from reference.builder import build_sam
from reference.modeling.sam import Sam
from reference.weights.checkpoint import load_weights
from reference.weights.official_names import official_layout
from reference.weights.seeded_weights import seeded_state_dict
from tests.support.golden_text import WRITE_OPTION, check_golden_text
from tests.support.tiny_variant import TINY

# Tests run side by side, and threads of small tensors wait for each other longer than they work.
torch.set_num_threads(1)

# On a busy machine, a command that a test runs would write lines of progress between the lines that the test expects.
reference.common.progress.LINE_SECONDS = math.inf

# A shell starts "command &" with SIGINT ignored, and nohup does the same to SIGHUP. The commands that tests interrupt
# would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_addoption(parser):
    parser.addoption(
        WRITE_OPTION,
        action="store_true",
        help="write what commands print to the golden texts beside the tests, in place of comparing",
    )


def pytest_collection_finish():
    """Spare garbage collections what was imported.

    coremltools 9.0 calls ``gc.collect()`` in every conversion. Without this each call takes 0.3 s, ten times as long
    as the conversion of a small program, because it visits all objects of torch and of the collected tests.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture
def golden_text(request) -> Callable[..., None]:
    """Compare a text with a file beside the test: ``golden_text(out, "table.txt", torch=torch.__version__)``.

    ``check_golden_text`` describes the parts that differ between machines, here torch's version.
    """
    write = request.config.getoption(WRITE_OPTION)

    def check(text, name, **volatile):
        check_golden_text(text, request.path.with_name(name), write=write, **volatile)

    return check


@pytest.fixture(scope="session")
def china() -> np.ndarray:
    """uint8 (427, 640, 3): a temple, from scikit-learn."""
    return load_sample_image("china.jpg")


@pytest.fixture(scope="session")
def flower() -> np.ndarray:
    """uint8 (427, 640, 3): a dahlia, from scikit-learn."""
    return load_sample_image("flower.jpg")


@pytest.fixture(scope="session")
def seeded_sam():
    """The full-size model with the seeded weights; tests must not change it."""
    return build_sam("vit_t", "seeded")


@pytest.fixture(scope="session")
def tiny_sam():
    """The same architecture at a hundredth of the size, for a frame of 256×256; tests must not change it."""
    sam = Sam(TINY)
    load_weights(sam, seeded_state_dict(official_layout(sam)))
    return sam.eval()


@pytest.fixture
def tiny_model() -> str:
    """The tiny model's name, for ``--model``."""
    return TINY.name


@pytest.fixture(scope="session")
def tiny_source(tiny_sam) -> Source:
    """The tiny model with seeded weights, ready to convert; tests must not change it."""
    variant = tiny_sam.variant
    return load_source("seeded", variant.name)
