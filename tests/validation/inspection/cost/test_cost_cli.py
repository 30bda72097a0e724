"""``validate cost`` as a user meets it: tables, JSON and refusals."""

import json

import pytest

from validation.artifacts.artifact import load_artifact


def test_what_cost_prints(validate, golden_text, tiny_artifact, tiny_package, tmp_path):
    """A JSON file is written besides. Operators are listed on request only."""
    results = tmp_path / "cost.json"
    text = ""
    for artifacts, options in (
        ((tiny_artifact, tiny_package), ("--json", results)),
        ((tiny_artifact,), ("--operations",)),
    ):
        arguments = ["cost", *map(str, artifacts), *map(str, options)]
        status, out, err = validate(*arguments)
        assert (status, err) == (0, "")
        text += f"$ validate {' '.join(arguments)}\n{out}"
    names = [item["artifact"]["name"] for item in json.loads(results.read_text())["artifacts"]]
    assert names == [tiny_artifact.name, tiny_package.name]
    golden_text(text, "cost.txt", folder=str(tmp_path))


def test_the_document_states_the_costs(validate, tiny_artifact, tiny_package):
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


def test_what_is_no_artifact_is_refused(refuses, tmp_path, tiny_artifact):
    refuses("no such artifact folder", "cost", tmp_path / "absent")
    (tiny_artifact / "manifest.json").write_text("{")
    refuses("is not valid JSON", "cost", tiny_artifact)


def test_results_that_cannot_be_written_are_refused(refuses, tiny_artifact, tmp_path):
    refuses("absent", "cost", tiny_artifact, "--json", tmp_path / "absent" / "cost.json")


@pytest.mark.parametrize("content", [b"", b"not TorchScript" * 100])
def test_a_damaged_script_is_refused(refuses, tiny_artifact, accept_files, content):
    (tiny_artifact / "mobile_sam_tiny_mask_decoder.ptl").write_bytes(content)
    accept_files(tiny_artifact)
    refuses("mobile_sam_tiny_mask_decoder.ptl: cannot be followed", "cost", tiny_artifact)


def test_a_damaged_package_is_refused(refuses, tiny_package, accept_files):
    (model,) = (tiny_package / "MobileSAMTinyImageEncoder.mlpackage").rglob("*.mlmodel")
    model.write_bytes(b"not a model" * 100)
    accept_files(tiny_package)
    refuses("is not a Core ML model", "cost", tiny_package)
