"""Gates files: what they may change, and what they may not say."""

from dataclasses import fields
from itertools import pairwise

import pytest

from reference.common.errors import GateError
from validation.gates import Gates, read_gates


@pytest.fixture
def gates_file(tmp_path):
    def write(text):
        path = tmp_path / "gates.toml"
        path.write_text(text)
        return path

    return write


def test_a_file_changes_what_it_names_and_nothing_else(gates_file):
    path = gates_file("[coreml.int8]\nmin_iou = 0.9\nmax_score_difference = 1\n")
    changed, defaults = read_gates(path), read_gates()
    int8 = changed["coreml"].pop("int8")
    default = defaults["coreml"].pop("int8")
    assert (int8.min_iou, int8.max_score_difference) == (0.9, 1)
    assert int8.mean_iou == default.mean_iou
    assert default.min_iou != 0.9
    assert changed == defaults


def test_a_file_with_a_byte_order_mark(gates_file):
    changed = read_gates(gates_file("\ufeff[coreml.int8]\nmin_iou = 0.9\n"))
    assert changed["coreml"]["int8"].min_iou == 0.9


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[coreml.int8", "is not valid TOML"),
        ("[onnx.int8]\nmin_iou = 0.9", r"\[onnx\]: expected torchscript or coreml"),
        (
            "[coreml.int2]\nmin_iou = 0.9",
            r"\[coreml.int2\]: expected a scheme of coreml: none, fp16",
        ),
        (
            "[coreml.int8]\nmin_ious = 0.9",
            r"\[coreml.int8\]: there is no limit 'min_ious': expected",
        ),
        ("[coreml.int8]\nmin_iou = '0.9'", "is '0.9': expected a number"),
        ("[coreml.int8]\nmin_iou = true", "is True: expected a number"),
        ("[coreml.int8]\nmin_iou = nan", "is nan: expected a number from 0 to 1"),
        ("[coreml.int8]\nmin_iou = -5", "is -5: expected a number from 0 to 1"),
        ("[coreml.int8]\nmin_iou = 1.5", "is 1.5: expected a number from 0 to 1"),
        ("[coreml.int8]\nmean_iou = inf", "is inf: expected a number from 0 to 1"),
        ("[coreml.int8]\nmean_boundary_iou = 2", "is 2: expected a number from 0 to 1"),
        ("[coreml.int8]\nmin_same_choice = -0.1", "is -0.1: expected a number from 0 to 1"),
        ("[coreml.int8]\nmax_score_difference = inf", "is inf: expected a number from 0 to 1"),
        ("[coreml.int8]\nmax_miou_lost = -5", "is -5: expected a number from -1 to 1"),
        ("[coreml.int8]\nmax_frame_difference = 256", "is 256: expected a number from 0 to 255"),
        ("[coreml.int8]\nmin_embeddings_sqnr = -inf", "is -inf: expected a number from 0 to 200"),
        ("[coreml.int8]\nmin_logits_sqnr = 1e99", "is 1e.99: expected a number from 0 to 200"),
        (f"[coreml.int8]\nmin_iou = {'1' * 400}", "is 111"),
        (f"[coreml.int8]\nmin_iou = {'1' * 5000}", "a line of more than 1000 characters"),
        (f"[coreml.int8]\nmin_iou = 1_{'1_' * 450}1\n" * 200, "more than 64 KiB"),
        (f"{'a.' * 400}a = 1", r"\[a\]: expected torchscript or coreml"),
        (f"a = {'[' * 900}", "is not valid TOML"),
        ("[coreml.int8]\nmin_iou = 0.9\nmin_iou = 0.8", "is not valid TOML"),
        ('["\\u001b[2J"]', r"\[\\x1b\[2J\]: expected torchscript or coreml"),
        ('[coreml.int8]\n"a\\nPASS" = 1', r"'a\\nPASS': expected one of"),
        ("[coreml.int8]\nmin_iou = 2026-01-01", "expected a number from 0 to 1"),
        ("coreml = 1", "'coreml' is 1: expected a table"),
        ("[coreml]\nint8 = 1", "'coreml.int8' is 1: expected a table"),
    ],
)
def test_refused_files(gates_file, text, expected):
    path = gates_file(text)
    with pytest.raises(GateError, match=expected) as caught:
        read_gates(path)
    assert str(caught.value).startswith(str(path))


def test_no_such_file(tmp_path):
    with pytest.raises(GateError, match="cannot be read"):
        read_gates(tmp_path / "none.toml")


# Scheme → how much of a mask that a user sees may be lost.
LOSSES = {"none": 0.001, "fp16": 0.025, "int8": 0.05, "lut6": 0.10, "int4": 0.25}


@pytest.mark.parametrize(("scheme", "loss"), LOSSES.items())
def test_the_limits_on_masks_follow_one_rule(scheme, loss):
    gates = read_gates()["coreml"][scheme]
    assert gates.min_iou == pytest.approx(1 - loss)
    assert gates.min_hidden_iou == pytest.approx(1 - 2 * loss)
    assert gates.mean_iou == pytest.approx(1 - loss / 5)
    assert gates.mean_boundary_iou == pytest.approx(1 - 2 * loss / 5)
    assert gates.max_score_difference == pytest.approx(loss)
    assert gates.min_same_choice == pytest.approx(1 - 2 * loss)
    assert gates.max_miou_lost == pytest.approx(loss / 10)


def test_fewer_bits_never_have_a_stricter_limit():
    gates = read_gates()["coreml"]
    for scheme, coarser in pairwise(LOSSES):
        for limit in fields(Gates):
            before, after = (getattr(gates[each], limit.name) for each in (scheme, coarser))
            assert before >= after if limit.name.startswith(("min", "mean")) else before <= after


def test_both_formats_have_the_same_limits():
    gates = read_gates()
    assert gates["torchscript"].items() <= gates["coreml"].items()
