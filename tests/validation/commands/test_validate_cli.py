"""``validate compare`` and ``validate show`` as a user meets them: JSON, pictures, statuses and refusals."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

import validation.comparison.comparer
from reference.cli import main as segment_main
from reference.photos.masks import decode_rle
from validation.artifacts.artifact import load_artifact
from validation.metrics import mask_iou


@pytest.fixture
def few_photos(monkeypatch):
    """Ask about the goldens only, to save time."""
    monkeypatch.setattr(validation.comparison.comparer, "built_in_questions", lambda slots: [])


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    Image.fromarray(load_sample_image("china.jpg")).save(path)
    return path


# compare

CASES = 37  # goldens and the prompt matrix, for eight prompt slots


@pytest.mark.slow
def test_full_size_model_agrees(validate, full_artifact):
    status, out, err = validate("compare", full_artifact, "--json", "-")
    document = json.loads(out)
    (comparison,) = document["artifacts"]
    assert (status, err) == (0, "")
    assert document["schema"] == "mobile-sam-export/comparison/5"
    assert document["verdict"] == comparison["verdict"] == "passed"
    assert comparison["artifact"]["checkpoint"]["name"] == "demo"
    assert comparison["counts"] == {"passed": CASES, "failed": 0, "not proven": 0, "not run": 0}
    assert comparison["engine"].startswith("lite interpreter of torch 2.7")
    assert comparison["summary"]["min_iou"] >= 0.999
    assert max(case["agreement"]["logits"]["largest"] for case in comparison["cases"]) < 1e-3


@pytest.mark.usefixtures("few_photos")
def test_failed_gate_is_status_1(validate, tiny_artifact, edit_manifest):
    black = {"padding_rgb": [0, 0, 0]}
    edit_manifest(tiny_artifact, lambda document: document["preprocessing"].update(black))
    status, out, err = validate("compare", tiny_artifact, "--json", "-")
    document = json.loads(out)
    (comparison,) = document["artifacts"]
    assert (status, err) == (1, "")
    assert document["verdict"] == comparison["verdict"] == "failed"
    assert comparison["counts"] == {"passed": 0, "failed": 7, "not proven": 0, "not run": 0}
    assert comparison["blamed"] == "preprocessing"
    assert comparison["summary"]["min_iou"] < comparison["gates"]["min_iou"] == 0.999
    for case in comparison["cases"]:
        assert case["status"] == "failed"
        assert case["reasons"][0].startswith("mask IoU 0.") and "gate 0.999" in case["reasons"][0]
    assert comparison["failures"][0].startswith("mean mask IoU 0.")


@pytest.mark.usefixtures("few_photos", "no_core_ml")
def test_not_run_is_never_a_pass(validate, tiny_package):
    status, out, err = validate("compare", tiny_package, "--engine", "core_ml", "--json", "-")
    document = json.loads(out)
    (comparison,) = document["artifacts"]
    assert (status, err) == (0, "")
    assert document["verdict"] == comparison["verdict"] == "not run"
    assert comparison["counts"] == {"passed": 0, "failed": 0, "not proven": 0, "not run": 7}
    assert {case["status"] for case in comparison["cases"]} == {"not run"}
    assert comparison["not_run_reasons"] == [
        "Core ML runs on macOS only: run the artifact on a Mac"
    ]


def test_what_was_not_run_fails_if_all_is_required(validate, tiny_artifact, edit_manifest):
    """An artifact of own weights: its goldens run without the checkpoint, and all else does not."""
    edit_manifest(tiny_artifact, lambda document: document["checkpoint"].update(name="mine.pt"))
    status, out, err = validate("compare", tiny_artifact, "--json", "-")
    document = json.loads(out)
    (comparison,) = document["artifacts"]
    assert (status, err) == (0, "")
    assert document["verdict"] == comparison["verdict"] == "incomplete"
    assert comparison["counts"] == {
        **{"passed": 7, "failed": 0, "not proven": 0},
        "not run": CASES - 7,
    }

    status, out, err = validate("compare", tiny_artifact, "--require-all")
    assert (status, err) == (1, "")
    assert "\nINCOMPLETE: 7 of 37 cases passed, 30 NOT RUN; " in out
    assert (
        "\nINCOMPLETE: 7 of 7 goldens and 0 of 30 cases about other photos agree with the reference; "
        "the rest is not proven\nNOT RUN: the artifact was converted from 'mine.pt': pass --checkpoint"
    ) in out

    assert validate("compare", tiny_artifact, "--require-all", "--quick")[0] == 0


@pytest.mark.usefixtures("few_photos", "no_core_ml")
def test_all_that_is_required_runs_or_fails(validate, tiny_artifact, tiny_package):
    assert validate("compare", tiny_artifact, "--require-all")[0] == 0
    nothing_runs = (tiny_package, "--engine", "core_ml", "--require-all")
    assert validate("compare", *nothing_runs)[0] == 1


@pytest.mark.usefixtures("few_photos")
def test_several_artifacts_are_compared(
    validate, tiny_artifact, tiny_package, tiny_gates, tmp_path
):
    report = tmp_path / "report"
    options = ("--json", "-", "--gates", tiny_gates, "--drift", "--report", report)
    status, out, err = validate("compare", tiny_package, tiny_artifact, *options)
    document = json.loads(out)
    assert (status, err, document["verdict"]) == (0, "", "passed")
    package, lite = document["artifacts"]
    assert package["verdict"] == lite["verdict"] == "passed"
    assert [package["artifact"]["name"], lite["artifact"]["name"]] == [
        "tiny-coreml",
        "tiny-torchscript",
    ]
    assert len(lite["cases"][0]["agreement"]["mask_ious"]) == 4
    for artifact in (package, lite):
        assert artifact["drift"]["status"] == "measured"
        assert len(artifact["drift"]["worst"]) == 10
    page = (report / "report.html").read_text(encoding="utf-8")
    assert page.count("Where the artifact departs from the reference</h3>") == 2
    assert json.loads((report / "results.json").read_text()) == document


@pytest.mark.usefixtures("few_photos", "no_core_ml")
def test_a_report_is_replaced_by_the_next_one(validate, refuses, tiny_package, tmp_path):
    report = tmp_path / "report"
    words = ("compare", tiny_package, "--engine", "core_ml", "--report", report)
    for _ in range(2):
        status, _, err = validate(*words)
        assert (status, err) == (0, "")
        assert (report / "report.html").is_file()
    (report / "notes.txt").write_text("mine")
    refuses("holds 'notes.txt', which is not part of the report", *words)
    assert (report / "notes.txt").read_text() == "mine"


@pytest.mark.usefixtures("few_photos", "no_core_ml")
def test_engines_are_compared_side_by_side(validate, tiny_package, tiny_gates):
    engines = ("--engine", "core_ml", "--engine", "mil_runtime", "--gates", tiny_gates)
    status, out, err = validate("compare", tiny_package, *engines, "--json", "-")
    document = json.loads(out)
    assert (status, err, document["verdict"]) == (0, "", "incomplete")
    mac, anywhere = document["artifacts"]
    assert (mac["verdict"], mac["engine"]) == ("not run", None)
    assert mac["not_run_reasons"]
    assert mac["cases"][0]["agreement"] is mac["summary"] is None
    assert anywhere["verdict"] == "passed"
    assert anywhere["engine"] == "mil_runtime (declared numerics)"


def test_compare_refuses_bad_input(refuses, tiny_artifact, photo, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("not a photo")
    for expected, *arguments in (
        ("Missing argument 'ARTIFACT...'",),
        ("no such artifact folder", tmp_path / "none"),
        ("no such artifact folder", tiny_artifact, tmp_path / "none"),
        ("not an image", tiny_artifact, "--images", text),
        ("no checkpoint 'none.pt'", tiny_artifact, "--checkpoint", "none.pt"),
        ("there is no folder", tiny_artifact, "--json", tmp_path / "none" / "results.json"),
        ("is a folder", tiny_artifact, "--json", tmp_path),
        ("cannot be written", tiny_artifact, "--json", "/proc/results.json"),
        ("exists and is not a report of validate compare", tiny_artifact, "--report", tmp_path),
        ("is not valid TOML", tiny_artifact, "--gates", text),
        ("text.txt", tiny_artifact, "--prompts", text),
        ("No such option", tiny_artifact, "--gate", "0.5"),
        ("'tpu' is not one of", tiny_artifact, "--engine", "tpu"),
        ("does not run the format 'torchscript'", tiny_artifact, "--engine", "core_ml"),
    ):
        refuses(expected, "compare", *arguments)


def test_altered_artifact_is_refused(refuses, tiny_artifact, photo, tmp_path):
    path = tiny_artifact / "mobile_sam_tiny_mask_decoder.ptl"
    path.write_bytes(path.read_bytes()[::-1])
    refuses("SHA-256", "compare", tiny_artifact, "--json", tmp_path / "results.json")
    output = tmp_path / "overlay.png"
    refuses("SHA-256", "show", tiny_artifact, photo, "--point", "5,5", "--output", output)


# show


@pytest.mark.slow
def test_show_draws_and_says_what_segment_does(validate, capsys, full_artifact, photo, tmp_path):
    prompt = ["--point", "300,200", "--background-point", "20,20"]
    drawn, expected_drawn = tmp_path / "artifact.png", tmp_path / "reference.png"
    status, out, err = validate("show", full_artifact, photo, *prompt, "--output", drawn, "--json")
    answer = json.loads(out)
    with pytest.raises(SystemExit):
        segment_main([str(photo), *prompt, "--output", str(expected_drawn), "--json"])
    expected = json.loads(capsys.readouterr().out)

    assert status == 0
    assert answer["checkpoint"]["trained"] or err.startswith("warning: the artifact's weights")
    assert err.count("\n") <= 1
    for entry in ("image", "prompts", "model", "checkpoint"):
        assert answer[entry] == expected[entry]
    assert answer["artifact"] == load_artifact(full_artifact).record()
    assert answer["engine"].startswith("lite interpreter")
    for mask, wanted in zip(answer["masks"], expected["masks"], strict=True):
        iou = mask_iou(decode_rle(mask["segmentation"]), decode_rle(wanted["segmentation"]))
        assert iou >= 0.999
        assert mask["object"] == wanted["object"]
        assert mask["score"] == pytest.approx(wanted["score"], abs=1e-4)
    picture, expected_picture = (np.asarray(Image.open(path)) for path in (drawn, expected_drawn))
    assert picture.shape == expected_picture.shape == (427, 640, 3)
    assert (picture != expected_picture).any(axis=2).mean() < 1e-3


TWO_BOXES = ("--box", "100,50,300,400", "--box", "350,60,700,380")


def test_show_asks_about_every_object(validate, tiny_artifact, photo):
    status, out, _ = validate("show", tiny_artifact, photo, *TWO_BOXES, "--json")
    assert status == 0
    assert [mask["object"] for mask in json.loads(out)["masks"]] == [0, 1]


def test_what_show_prints(validate, golden_text, tiny_artifact, photo, tmp_path):
    """The lines are those of ``segment``, whose golden text has their figures."""
    output = tmp_path / "overlay.png"
    status, out, _ = validate("show", tiny_artifact, photo, *TWO_BOXES, "--output", output)
    assert status == 0
    assert output.is_file()
    golden_text(out, "show.txt", folder=str(tmp_path), figures=re.compile(r"(?<=: )score .*"))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "an empty prompt"),
        (["--point", "900,5"], "point (900, 5) is outside the photo of 640×427 pixels"),
        (
            ["--point", "5,5"] * 9,
            "the prompt takes 9 slots (a point takes one, a box takes two), but this",
        ),
        (["--point", "5,5", "--output", "overlay.gif"], "no picture format has the suffix '.gif'"),
    ],
)
def test_show_refuses_bad_input(refuses, tiny_artifact, photo, tmp_path, arguments, expected):
    output = tmp_path / "overlay.png"
    refuses(expected, "show", tiny_artifact, photo, "--output", output, *arguments)


@pytest.mark.usefixtures("no_core_ml")
def test_show_refuses_a_missing_engine(refuses, tiny_package, photo, tmp_path):
    arguments = ["show", tiny_package, photo, "--point", "5,5", "--output", tmp_path / "o.png"]
    refuses("NOT RUN: Core ML runs on macOS only", *arguments, "--engine", "core_ml")


# Help


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ([], "validate compare artifacts/mobile_sam-torchscript-int8"),
        (["compare"], "then INCOMPLETE"),
        (["show"], "--background-point X,Y"),
    ],
)
def test_help_shows_examples_and_verdicts(validate, command, expected):
    status, out, err = validate(*command, "--help")
    assert (status, err) == (0, "")
    assert expected in out


def test_help_does_not_wait_for_torch():
    script = """
import sys
from validation.cli import main
try:
    main(["compare", "--help"])
finally:
    assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)


def test_group_without_a_command_lists_its_commands(validate):
    status, out, err = validate()
    assert (status, out) == (2, "")
    expected = "accuracy, compare, cost, ingest, latency, regress, setup, show, targets"
    assert f"Missing command: expected one of {expected}" in err
