"""The full-size model is small enough in every scheme, and its TorchScript artifacts pass the comparison."""

import json

import pytest

from converters.conversion import load_source, write_artifact
from converters.coreml.options import CoreMLOptions
from converters.coreml.schemes import SCHEMES as COREML_SCHEMES
from converters.torchscript.options import SCHEMES as TORCHSCRIPT_SCHEMES
from converters.torchscript.options import TorchScriptOptions
from tests.support.compare_one import compare_one
from validation.documents.verdicts import PASSED

pytestmark = pytest.mark.slow

# Largest size in MB (1e6 bytes), encoder and decoder together; docs/evidence/numbers.md has what was measured.
COREML_LIMITS = {
    "none": 41.0,
    "fp16": 22.5,
    "int8": 12.0,
    "w8a8": 12.0,
    "lut8": 12.0,
    "lut6": 9.0,
    "int4": 7.0,
    "lut4": 6.5,
}
TORCHSCRIPT_LIMITS = {"none": 41.0, "fp16": 21.0, "int8": 12.5}


@pytest.fixture(scope="module")
def source():
    return load_source("demo")


def megabytes(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    return sum(component["bytes"] for component in manifest["components"].values()) / 1e6


def test_every_scheme_has_a_limit():
    assert set(COREML_LIMITS) == set(COREML_SCHEMES)
    assert set(TORCHSCRIPT_LIMITS) == set(TORCHSCRIPT_SCHEMES)


@pytest.mark.parametrize("scheme", COREML_LIMITS)
def test_coreml_packages_are_small_enough(source, scheme, tmp_path):
    folder = write_artifact(source, CoreMLOptions(scheme), tmp_path)
    assert megabytes(folder) <= COREML_LIMITS[scheme]


@pytest.mark.parametrize("scheme", TORCHSCRIPT_LIMITS)
def test_torchscript_files_are_small_enough_and_pass(source, scheme, tmp_path):
    folder = write_artifact(source, TorchScriptOptions(scheme), tmp_path)
    assert megabytes(folder) <= TORCHSCRIPT_LIMITS[scheme]
    comparison = compare_one(folder)
    assert comparison.verdict == PASSED
    if scheme == "none":
        assert comparison.summary.min_iou >= 0.999


def test_a_mixture_of_8_megabytes_passes(source, tmp_path):
    folder = write_artifact(source, TorchScriptOptions("auto", max_size=8_000_000), tmp_path)
    assert 7.8 <= megabytes(folder) <= 8.0
    assert compare_one(folder).verdict == PASSED
