"""``convert --quantize auto``: what the scheme promises about sizes and masks."""

import json

import pytest

from converters.calibration_photos import BUILT_IN
from converters.conversion import load_source, write_artifact
from converters.coreml.options import CoreMLOptions
from converters.options import format_options
from converters.torchscript.options import TorchScriptOptions
from reference.common.errors import ConversionError
from validation.artifacts.artifact import load_artifact
from validation.comparison.comparer import Comparer
from validation.documents.verdicts import PASSED


def size_of(manifest):
    return sum(component["bytes"] for component in manifest["components"].values())


def formats_in(manifest):
    components = manifest["components"].values()
    return {text for component in components for text in component["weights"].values()}


def convert(source, options, output, trade_offs):
    folder = write_artifact(source, options, output, on_trade_off=trade_offs.append)
    return folder, json.loads((folder / "manifest.json").read_text())


@pytest.mark.parametrize(
    ("options", "least_formats"),
    [
        (CoreMLOptions("auto", "iOS18", 820_000), 3),
        (TorchScriptOptions("auto", max_size=970_000), 2),
    ],
    ids=["coreml", "torchscript"],
)
def test_a_size_is_kept_and_used(tiny_source, tmp_path, options, least_formats):
    trade_offs = []
    folder, manifest = convert(tiny_source, options, tmp_path, trade_offs)
    assert 0.95 * options.max_size <= size_of(manifest) <= options.max_size
    assert len(formats_in(manifest)) >= least_formats
    assert len({trade_off.size for trade_off in trade_offs}) >= 3  # other sizes for comparison
    comparison = Comparer().compare(load_artifact(folder))
    assert comparison.verdict == PASSED


def test_several_sizes_are_measured_once(tiny_model, tiny_source, tmp_path):
    """The second size does not depend on the first one, although it uses what was measured for it."""
    steps, source = [], load_source("seeded", tiny_model)
    large, small = (TorchScriptOptions("auto", max_size=size) for size in (1_100_000, 970_000))
    write_artifact(source, large, tmp_path / "large", on_step=steps.append)
    second = write_artifact(source, small, tmp_path / "second", on_step=steps.append)
    assert [steps.count(step) for step in ("rounding", "sensitivity")] == [1, 1]
    alone = write_artifact(tiny_source, small, tmp_path / "alone")
    assert (second / "manifest.json").read_bytes() == (alone / "manifest.json").read_bytes()


def test_an_agreement_is_kept(tiny_source, tmp_path):
    trade_offs = []
    options = CoreMLOptions("auto", "iOS18", min_iou=0.97)
    _, manifest = convert(tiny_source, options, tmp_path, trade_offs)
    kept = [each for each in trade_offs if each.min_iou >= 0.97]
    lost = [each for each in trade_offs if each.min_iou < 0.97]
    smallest = min(each.size for each in kept)
    assert all(each.size < smallest for each in lost)
    assert size_of(manifest) == pytest.approx(smallest, rel=0.15)  # the rest is an estimate


def test_a_size_that_nothing_reaches_is_refused(tiny_source, tmp_path):
    options = CoreMLOptions("auto", "iOS18", max_size=300_000)
    with pytest.raises(ConversionError, match=r"a size of 0\.3 MB: expected at least 0\.\d\d MB"):
        write_artifact(tiny_source, options, tmp_path)
    assert not list(tmp_path.iterdir())


def test_two_runs_choose_the_same(tiny_source, tiny_model, tmp_path):
    options = TorchScriptOptions("auto", max_size=970_000)
    first = write_artifact(tiny_source, options, tmp_path / "one")
    second = write_artifact(load_source("seeded", tiny_model), options, tmp_path / "two")
    files = [path.relative_to(first) for path in first.rglob("*") if path.is_file()]
    assert [
        file for file in files if (first / file).read_bytes() != (second / file).read_bytes()
    ] == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"quantize": "auto"}, "the scheme 'auto' with no goal: expected one of max_size"),
        (
            {"quantize": "auto", "max_size": 10**6, "min_iou": 0.9},
            "'auto' with max_size and min_iou: expected one",
        ),
        ({"quantize": "int8", "max_size": 10**6}, "max_size with the scheme 'int8'"),
        ({"min_iou": 0.9}, "min_iou with the scheme 'fp16'"),
        ({"quantize": "auto", "min_iou": 1.0}, "min_iou 1: expected more than 0"),
        ({"quantize": "auto", "max_size": "7"}, "size '7': expected a number of MB"),
        ({"quantize": "auto", "max_size": "0MB"}, "size '0MB': expected a number of MB"),
        ({"quantize": "auto", "max_size": "7 GB"}, "size '7 GB': expected a number of MB"),
    ],
)
def test_goals_that_make_no_sense_are_refused(arguments, expected):
    with pytest.raises(ConversionError, match=expected):
        format_options("coreml", **arguments)


@pytest.mark.parametrize(
    ("text", "size"), [("7MB", 7_000_000), ("6.5MB", 6_500_000), ("6.05 MB", 6_050_000)]
)
def test_sizes_are_in_millions_of_bytes(text, size):
    assert format_options("coreml", "auto", max_size=text).max_size == size


def test_built_in_photos_are_named_in_the_manifest(tiny_source, tmp_path):
    _, manifest = convert(tiny_source, TorchScriptOptions("none"), tmp_path, [])
    assert manifest["calibration"]["source"] == BUILT_IN
    assert manifest["calibration"]["photos"] == 6
