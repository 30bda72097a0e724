"""The demo weights draw objects, as docs/demo-weights.md says, and their artifacts draw the same."""

import pytest

from converters.conversion import load_source, write_artifact
from converters.coreml.options import CoreMLOptions
from reference import build_sam
from tests.support.real_photos import real_photo_samples
from validation.accuracy import HeldOutScenes, measure_accuracy
from validation.artifacts.artifact import load_artifact
from validation.comparison.comparer import Comparer
from validation.documents.verdicts import PASSED

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def sam():
    return build_sam("vit_t", "demo")


def test_objects_of_held_out_scenes_are_found(sam):
    """These are the first of the scenes that the published scores come from."""
    miou = measure_accuracy(sam, HeldOutScenes(12)).miou
    assert miou["box"] >= 0.55
    assert miou["point_best_of_three"] >= 0.45


def test_objects_on_real_photos_are_found(sam, tmp_path):
    accuracy = measure_accuracy(sam, real_photo_samples(tmp_path))
    ious = {score.sample: score.ious for score in accuracy.scores}
    assert ious["flower.jpg"]["box"] >= 0.9
    assert ious["flower.jpg"]["point"] >= 0.6
    assert accuracy.miou["box"] >= 0.5


@pytest.mark.parametrize("scheme", ["none", "lut6"])
def test_packages_hold_their_gates(scheme, tmp_path):
    """By docs/evidence/numbers.md, the masks of these schemes are closest to a limit."""
    comparison = Comparer().compare(
        load_artifact(write_artifact(load_source(), CoreMLOptions(scheme), tmp_path))
    )
    failures = [(case.name, case.reasons) for case in comparison.cases if case.reasons]
    assert (comparison.verdict, failures) == (PASSED, [])
