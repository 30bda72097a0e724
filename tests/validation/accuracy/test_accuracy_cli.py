"""``validate accuracy`` on a tiny model: JSON, exit statuses and refusals."""

import json
import subprocess
import sys

import pytest

from tests.support.coco_records import annotation_record
from tests.support.requirements import off_the_mac
from validation.accuracy.results import PROTOCOLS
from validation.artifacts.artifact import load_artifact

MODEL = ("--model", "tiny")
# With ``--json -`` no table says it.
UNTRAINED = "warning: the weights 'seeded' are untrained: their masks mean nothing\n"


@pytest.fixture
def folder(dataset):
    return dataset()


@pytest.fixture
def never_held(tmp_path):
    """Gates that nothing passes, because they require a negative loss."""
    path = tmp_path / "gates.toml"
    path.write_text("[torchscript.none]\nmax_miou_lost = -1\n")
    return path


def test_artifact_and_checkpoint_are_measured(validate, tiny_artifact, folder, tmp_path):
    results = tmp_path / "accuracy.json"
    arguments = (tiny_artifact, "seeded", *MODEL, "--dataset", folder, "--json", results)
    status, _, err = validate("accuracy", *arguments)
    assert (status, err) == (0, "")
    document = json.loads(results.read_text())
    assert document["schema"] == "mobile-sam-export/accuracy/4"
    assert document["verdict"] == "passed"
    data = {"kind": "dataset", "path": str(folder), "photos": 2, "left_out": {}}
    assert document["data"] == data
    reference, artifact = document["models"]
    assert (reference["name"], reference["verdict"]) == ("seeded", None)
    assert (artifact["name"], artifact["verdict"]) == ("tiny-torchscript", "passed")
    assert reference["artifact"] is None
    assert artifact["artifact"] == load_artifact(tiny_artifact).record()
    for entry in ("model", "checkpoint"):
        assert reference[entry] == artifact[entry] == artifact["artifact"][entry]
    assert artifact["engine"].startswith("lite interpreter of torch")
    assert artifact["max_miou_lost"] == 0.0001
    for model in (reference, artifact):
        assert not model["checkpoint"]["trained"]
        # The weights are untrained, and the three objects are small.
        assert {text.rpartition(": ")[2] for text in model["unproven"]} == {
            "the reference finds none of the objects, so a loss cannot show"
        }
        assert list(model["miou"]) == list(PROTOCOLS)
        assert model["objects"] == len(model["scores"]) == 3
        assert {name: group["objects"] for name, group in model["groups"].items()} == {
            "small": 2,
            "medium": 1,
        }
        for protocol in PROTOCOLS:
            mean = sum(score["ious"][protocol] for score in model["scores"]) / 3
            assert model["miou"][protocol] == pytest.approx(mean)
    for protocol, lost in artifact["miou_lost"].items():
        assert lost == pytest.approx(reference["miou"][protocol] - artifact["miou"][protocol])


def test_failed_gate_is_status_1(validate, tiny_artifact, folder, never_held):
    arguments = ("--dataset", folder, "--gates", never_held, "--json", "-")
    status, out, err = validate("accuracy", tiny_artifact, *arguments)
    document = json.loads(out)
    artifact = document["models"][-1]
    assert (status, err) == (1, UNTRAINED)
    assert document["verdict"] == artifact["verdict"] == "failed"
    assert [text.split(": ")[0] for text in artifact["failures"]] == list(PROTOCOLS.values())
    for text in artifact["failures"]:
        assert text.endswith("lower than the reference mIoU, gate -1")


def no_model(folder):
    return b"no model"


def image_encoder(folder):
    """Return a file that loads as a decoder, but fails for every prompt."""
    return (folder / "mobile_sam_tiny_image_encoder.ptl").read_bytes()


@pytest.mark.parametrize("decoder", [no_model, image_encoder])
def test_artifact_that_cannot_be_run_fails(validate, tiny_artifact, folder, accept_files, decoder):
    (tiny_artifact / "mobile_sam_tiny_mask_decoder.ptl").write_bytes(decoder(tiny_artifact))
    accept_files(tiny_artifact)
    status, out, _ = validate("accuracy", tiny_artifact, "--dataset", folder, "--json", "-")
    document = json.loads(out)
    model = document["models"][-1]
    assert (status, document["verdict"], model["verdict"]) == (1, "failed", "failed")
    assert (model["miou"], model["miou_lost"], model["scores"]) == (None, None, [])
    assert model["failures"]


@off_the_mac
def test_missing_engine_is_not_run(validate, tiny_package, folder):
    arguments = (tiny_package, "--dataset", folder, "--engine", "core_ml", "--json", "-")
    status, out, err = validate("accuracy", *arguments)
    document = json.loads(out)
    (artifact,) = document["models"]
    assert (status, err) == (0, UNTRAINED)
    assert document["verdict"] == artifact["verdict"] == "not run"
    assert artifact["not_run_reasons"][0].startswith("Core ML runs on macOS only")
    assert validate("accuracy", *arguments, "--require-all")[0] == 1


def test_artifact_of_own_weights_needs_the_checkpoint(
    validate, tiny_artifact, folder, edit_manifest
):
    """Without its checkpoint an artifact is measured, but not judged by its gate."""
    edit_manifest(tiny_artifact, lambda document: document["checkpoint"].update(name="mine.pt"))
    arguments = (tiny_artifact, "--dataset", folder, "--json", "-")
    status, out, _ = validate("accuracy", *arguments)
    document = json.loads(out)
    (model,) = document["models"]
    assert (status, document["verdict"], model["verdict"]) == (0, "not run", "not run")
    assert model["miou"] and model["miou_lost"] is None
    assert "pass --checkpoint" in model["not_run_reasons"][0]
    assert validate("accuracy", *arguments, "--require-all")[0] == 1

    status, out, _ = validate("accuracy", *arguments, "--checkpoint", "seeded", "--require-all")
    document = json.loads(out)
    assert (status, document["verdict"]) == (0, "passed")
    assert len(document["models"]) == 2


def test_bad_input_is_refused(refuses, tiny_artifact, folder, tmp_path):
    text = tmp_path / "text.txt"
    text.write_text("no gates and no weights")
    data = ("--dataset", folder)
    for expected, *arguments in (
        ("Missing argument 'ARTIFACT|CHECKPOINT...'",),
        ("no such artifact or checkpoint", tmp_path / "none", *data),
        ("not an artifact: it has no manifest.json", tmp_path, *data),
        ("text.txt", text, *data),
        ("no such file", tiny_artifact, "--dataset", tmp_path / "none"),
        ("--scenes and --dataset exclude each other", tiny_artifact, *data, "--scenes", "5"),
        ("0 is not in the range 1<=x<=1000000", tiny_artifact, "--scenes", "0"),
        ("is not valid TOML", tiny_artifact, *data, "--gates", text),
        ("no checkpoint 'none.pt'", tiny_artifact, *data, "--checkpoint", "none.pt"),
        ("vit_x", "seeded", *data, "--model", "vit_x"),
        ("there is no folder", tiny_artifact, *data, "--json", tmp_path / "none" / "a.json"),
        ("does not run the format 'torchscript'", tiny_artifact, *data, "--engine", "core_ml"),
    ):
        refuses(expected, "accuracy", *arguments)


def test_what_is_left_out_is_said(validate, dataset, tiny_artifact):
    folder = dataset(
        annotations=[annotation_record(1, 1), annotation_record(2, 1, segmentation=[])]
    )
    status, out, err = validate("accuracy", tiny_artifact, "--dataset", folder, "--json", "-")
    assert status == 0
    left_out = f"warning: {folder}: left out: annotations without a mask (a box alone): 1\n"
    assert err == left_out + UNTRAINED
    left_out = json.loads(out)["data"]["left_out"]
    assert left_out == {"annotations without a mask (a box alone)": 1}


def test_bad_dataset_is_refused(refuses, dataset, tiny_artifact):
    folder = dataset(annotations=[annotation_record(1, 99)])
    refuses("photos that 'images' does not list", "accuracy", tiny_artifact, "--dataset", folder)


def test_too_few_prompt_slots_are_refused(refuses, tiny_artifact, folder, edit_manifest):
    edit_manifest(tiny_artifact, lambda document: document.update(prompt_slots=3))
    refuses("convert with --prompt-slots 4", "accuracy", tiny_artifact, "--dataset", folder)


def test_other_weights_than_the_artifacts_are_refused(
    refuses, tiny_artifact, folder, edit_manifest
):
    edit_manifest(tiny_artifact, lambda document: document["checkpoint"].update(sha256="0" * 64))
    refuses(
        "converted from weights of SHA-256 0000", "accuracy", tiny_artifact, "--dataset", folder
    )


def test_help_lists_the_options(validate):
    status, out, err = validate("accuracy", "--help")
    assert (status, err) == (0, "")
    for option in ("--dataset", "--scenes", "--gates", "--checkpoint", "--engine", "--json"):
        assert option in out


def test_help_does_not_wait_for_torch():
    script = """
import sys
from validation.cli import main
try:
    main(["accuracy", "--help"])
finally:
    assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
