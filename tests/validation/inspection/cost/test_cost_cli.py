"""``validate cost`` as a user meets it."""

import json

import pytest

from validation.artifacts.artifact import load_artifact


def test_the_table(validate, tiny_artifact, tiny_package):
    status, out, err = validate("cost", tiny_artifact, tiny_package)
    assert (status, err) == (0, "")
    header, *rows = out.split("\n\n")[0].splitlines()
    assert header.split() == [
        *("artifact", "component", "GMACs", "parameters", "stored", "MB", "computed", "MB"),
        *("activations", "MB", "peak", "MB", "operations"),
    ]
    assert [row.split()[:2] for row in rows] == [
        [name, component]
        for name in ("tiny-torchscript", "tiny-coreml")
        for component in ("image_encoder", "mask_decoder")
    ]
    assert "tiny-torchscript, image_encoder: costliest layers" in out
    assert "  mask_decoder.output_upscaling.0" in out
    assert "tiny-torchscript, image_encoder: Neural Engine risks" not in out
    assert "tiny-coreml, mask_decoder: Neural Engine risks; " in out
    assert "  leaves?  float32 " in out
    assert ": operators" not in out


def test_operators_are_listed_on_request(validate, tiny_artifact):
    _, out, _ = validate("cost", tiny_artifact, "--operations")
    listed = out.partition("tiny-torchscript, mask_decoder: operators\n")[2]
    assert any(line.split()[0] == "aten::linear" for line in listed.splitlines() if line)


def test_the_document(validate, tiny_artifact, tiny_package, tmp_path):
    status, printed, _ = validate("cost", tiny_artifact, tiny_package, "--json", "-")
    assert status == 0
    document = json.loads(printed)
    assert document["schema"] == "mobile-sam-export/cost/2"
    script, package = document["artifacts"]
    for artifact, folder in ((script, tiny_artifact), (package, tiny_package)):
        assert artifact["artifact"] == load_artifact(folder).record()
        stored = sum(item["parameters"]["stored_bytes"] for item in artifact["components"])
        assert 0 < stored < artifact["artifact"]["bytes"]
        for component in artifact["components"]:
            by_operator = component["multiply_adds_by_operator"]
            assert sum(by_operator.values()) == component["multiply_adds"]
            assert by_operator.keys() <= component["operations"].keys()
            assert len(component["costliest_layers"]) == 10
            memory = component["memory"]
            assert memory["peak_bytes"] < memory["activation_bytes"]
    assert [item["neural_engine"] for item in script["components"]] == [None, None]
    for component in package["components"]:
        for risk in component["neural_engine"]["risks"]:
            assert risk["source"].startswith("https://")
            assert 0 <= risk["share_of_multiply_adds"] <= 1

    file = tmp_path / "cost.json"
    status, out, _ = validate("cost", tiny_artifact, tiny_package, "--json", file)
    assert status == 0
    assert "costliest layers" in out
    assert json.loads(file.read_text()) == document


def test_no_artifact(refuses, tmp_path, tiny_artifact):
    refuses("no such artifact folder", "cost", tmp_path / "absent")
    (tiny_artifact / "manifest.json").write_text("{")
    refuses("is not valid JSON", "cost", tiny_artifact)


def test_results_that_cannot_be_written(refuses, tiny_artifact, tmp_path):
    refuses("absent", "cost", tiny_artifact, "--json", tmp_path / "absent" / "cost.json")


@pytest.mark.parametrize("content", [b"", b"not TorchScript" * 100])
def test_a_damaged_script(refuses, tiny_artifact, accept_files, content):
    (tiny_artifact / "mobile_sam_tiny_mask_decoder.ptl").write_bytes(content)
    accept_files(tiny_artifact)
    refuses("mobile_sam_tiny_mask_decoder.ptl: cannot be followed", "cost", tiny_artifact)


def test_a_damaged_package(refuses, tiny_package, accept_files):
    (model,) = (tiny_package / "MobileSAMTinyImageEncoder.mlpackage").rglob("*.mlmodel")
    model.write_bytes(b"not a model" * 100)
    accept_files(tiny_package)
    refuses("is not a Core ML model", "cost", tiny_package)
