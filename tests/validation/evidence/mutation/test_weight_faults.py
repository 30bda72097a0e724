"""Subtle mistakes change what they say they change, and nothing else, and the tables say what catches them."""

import numpy as np
import pytest

from validation.evidence.mutation.fault_bench import FaultBench, FaultResult, Measured
from validation.evidence.mutation.fault_gates import (
    COMPARE_MASKS,
    GATES,
    REGRESS_FILES,
    REGRESS_SQNR,
    REGRESS_STRICT,
)
from validation.evidence.mutation.package_edit import EditablePackage
from validation.evidence.mutation.report import smallest_table, subtle_table
from validation.evidence.mutation.stored_weight import StoredWeight, change_in_package
from validation.evidence.mutation.weight_faults import (
    CHANNEL,
    WEIGHT_FAULTS,
    palette_permuted,
    scale_off,
    toward_zero,
    value_off,
    zero_point_off,
)
from validation.stages import IMAGE_ENCODER

INT8 = ("torchscript", "int8")


@pytest.fixture(scope="module")
def bench(suite, tmp_path_factory):
    return FaultBench(suite, tmp_path_factory.mktemp("bench"))


def by_name(name):
    (found,) = (fault for fault in WEIGHT_FAULTS if fault.name == name)
    return found


def stored(indexes, levels=(-2.0, -1.0, 0.0, 1.0), scales=None):
    return StoredWeight(np.array(indexes), np.array(levels, np.float32), scales)


NO_FLOATS = np.zeros(0)


def test_scale_of_one_channel():
    scales = np.ones((CHANNEL + 2, 1), np.float32)
    changed = scale_off(stored([[0]] * (CHANNEL + 2), scales=scales), NO_FLOATS, 50)
    assert changed.scales.ravel().tolist() == [1, 1, 1, 1.5, 1]
    assert (scales == 1).all()


def test_value_of_a_palette():
    assert value_off(stored([0]), NO_FLOATS, 100).levels.tolist() == [-2, -1, 0, 2]


def test_zero_point_stays_within_the_levels():
    assert zero_point_off(stored([0, 2, 3]), NO_FLOATS, 1).indexes.tolist() == [1, 3, 3]


@pytest.mark.parametrize(
    ("percent", "levels"),
    [(1, [0, 1, 2, 4, 3, 5, 6, 7]), (50, [0, 1, 5, 2, 3, 4, 6, 7]), (100, [7, *range(7)])],
)
def test_middle_of_a_palette_is_permuted(percent, levels):
    assert palette_permuted(stored([0], range(8)), NO_FLOATS, percent).levels.tolist() == levels


def test_weights_are_rounded_toward_zero():
    weights = np.array([-9.0, -3.9, -2.0, -0.1, 0.0, 0.1, 1.9, 2.0, 9.0])
    scales = np.full(1, 2.0, np.float32)
    changed = toward_zero(stored([0] * 9, scales=scales), weights, 1)
    assert changed.levels[changed.indexes].tolist() == [-2, -1, -1, 0, 0, 0, 0, 1, 1]


# Each scheme is a conversion. These two pack their codes differently.
@pytest.mark.parametrize(
    "scheme",
    ["int4", "lut6", *(pytest.param(name, marks=pytest.mark.slow) for name in ("int8", "auto"))],
)
def test_package_has_the_weights_that_are_read_and_written(suite, tmp_path, scheme):
    """What is read stands for the float weights, and what is written is read again."""
    artifact = suite.artifact("coreml", scheme)
    package = EditablePackage(artifact.components[IMAGE_ENCODER])
    module = suite.tiny.module("coreml", IMAGE_ENCODER)
    formats = suite.tiny.plan(artifact.folder)[IMAGE_ENCODER]
    for path, weight_format in formats.items():
        floats = module.get_submodule(path).weight.detach().numpy()
        seen = []

        def shift(weight, seen=seen):
            seen.append(weight)
            return zero_point_off(weight, NO_FLOATS, 1)

        for _ in range(2):
            change_in_package(package, path, weight_format, shift)
        before, after = seen
        errors = np.abs(before.levels[before.indexes] - before.steps_of(floats))
        assert np.median(errors) < np.diff(before.levels).max()
        assert np.array_equal(after.indexes, zero_point_off(before, NO_FLOATS, 1).indexes)
        assert np.array_equal(after.levels, before.levels)


def test_bench_finds_the_smallest_scale_that_each_gate_catches(bench):
    fault = by_name("scale of one channel off")
    assert bench.sound(INT8).caught == {}
    result = bench.run(fault, INT8)
    assert COMPARE_MASKS not in result.subtle.caught
    assert fault.subtle < result.smallest[COMPARE_MASKS] <= 20
    assert result.smallest[REGRESS_STRICT] <= result.smallest[REGRESS_SQNR] < 20
    assert result.smallest[REGRESS_FILES] is None
    largest = bench.measured(fault, INT8, fault.sizes[-1])
    assert largest.embeddings_sqnr < result.subtle.embeddings_sqnr <= result.sound.embeddings_sqnr


def test_layer_left_unquantized_shows_in_the_size_alone(bench):
    fault = by_name("layers left unquantized")
    assert bench.measured(fault, INT8, 1).caught.keys() == {REGRESS_FILES}


def test_tables_show_what_survived(golden_text):
    fault = by_name("scale of one channel off")
    sound = Measured({}, 49, 0.99)
    caught = Measured({COMPARE_MASKS: "mask IoU 0.5, gate 0.95"}, 20, 0.5)
    nothing = dict.fromkeys(GATES)
    results = [
        FaultResult(fault, INT8, sound, sound, nothing | {COMPARE_MASKS: 10, REGRESS_SQNR: 5}),
        FaultResult(fault, INT8, sound, caught, nothing | {COMPARE_MASKS: 1}),
        FaultResult(fault, INT8, sound, sound, nothing),
    ]
    tables = [subtle_table(results), smallest_table(results)]
    text = "\n\n".join(f"{table.to_markdown()}\n{table.note}" for table in tables)
    golden_text(f"{text.rstrip()}\n", "faults.txt")


def test_page_lists_the_faults_that_there_are(rows_of_page):
    expected = [[fault.name, " ".join(pair)] for fault in WEIGHT_FAULTS for pair in fault.artifacts]
    assert [row[:3:2] for row in rows_of_page("subtle")] == expected
    assert [row[:2] for row in rows_of_page("smallest")] == expected


@pytest.mark.slow
def test_every_fault_is_caught_in_its_largest_size(bench):
    survived = [
        (fault.name, pair)
        for fault in WEIGHT_FAULTS
        for pair in fault.artifacts
        if not bench.measured(fault, pair, fault.sizes[-1]).caught
    ]
    assert survived == []
