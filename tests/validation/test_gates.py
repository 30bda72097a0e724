"""Gates files: what they may change, and what they may not say."""

import pytest

from reference.errors import GateError
from validation.gates import read_gates


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
        ("[coreml.int8]\nmin_ious = 0.9", r"'min_ious' in \[coreml.int8\]: expected one of max_fr"),
        ("[coreml.int8]\nmin_iou = '0.9'", "is '0.9': expected a number"),
        ("[coreml.int8]\nmin_iou = true", "is True: expected a number"),
        ("[coreml.int8]\nmin_iou = nan", "is nan: expected a number"),
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
