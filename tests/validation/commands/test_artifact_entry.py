"""The JSON documents of ``validate`` name an artifact in the same way."""

import json

from PIL import Image

import validation.comparison.comparer
from tests.support.requirements import off_the_mac
from validation.artifacts.artifact import load_artifact


@off_the_mac
def test_documents_have_the_same_entry(validate, tiny_package, tmp_path, monkeypatch):
    """Without Core ML nothing is compared or measured, so that the documents are written at once."""
    monkeypatch.setattr(validation.comparison.comparer, "built_in_questions", lambda slots: [])
    photo = tmp_path / "photo.png"
    Image.new("RGB", (64, 48), "gray").save(photo)

    def document(command, *arguments):
        status, out, _ = validate(command, tiny_package, *arguments)
        assert status == 0
        return json.loads(out)

    absent, to_stdout = ("--engine", "core_ml"), ("--json", "-")
    (compared,) = document("compare", *absent, *to_stdout)["artifacts"]
    (costed,) = document("cost", *to_stdout)["artifacts"]
    (scored,) = document("accuracy", "--scenes", "1", *absent, *to_stdout)["models"]
    targets = document("latency", "--target", "coreml", *to_stdout)["targets"]
    shown = document("show", photo, "--point", "5,5", "--engine", "mil_runtime", "--json")
    entries = [compared, costed, scored, targets[0]["artifacts"][0], shown]

    assert [entry["artifact"] for entry in entries] == [load_artifact(tiny_package).record()] * 5
    assert shown["engine"].startswith("mil_runtime")
    for key in ("model", "checkpoint"):  # as in the document of ``segment``
        assert shown[key] == shown["artifact"][key]
