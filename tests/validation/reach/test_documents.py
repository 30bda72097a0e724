"""Documents that are nearly right, by the hundred: each is read, or refused in one line with nothing written."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import strategies as st
from PIL import Image

from reference.common.errors import MobileSAMError
from tests.support import latency_documents
from tests.support.bad_documents import bad_json, bad_toml, damaged_text, mutated
from tests.support.reach import contents, explore, few_and_many, require_told, run_command
from tests.support.sound_documents import baseline_of, results_of
from validation.artifacts.artifact import load_artifact
from validation.artifacts.conventions import false_statements
from validation.cli import main
from validation.gates import DEFAULTS as GATES
from validation.gates import Gates, read_gates
from validation.latency.device_results import read_device_results
from validation.latency.recorded import read_latency
from validation.mil_runtime.model.package import open_package
from validation.questions.goldens import golden_cases, golden_questions
from validation.questions.prompts_file import SCHEMA as PROMPTS
from validation.questions.prompts_file import read_prompts
from validation.regression.baseline import read_baseline
from validation.regression.limits import DEFAULTS as LIMITS
from validation.regression.limits import Limits, read_limits
from validation.report.provenance import provenance
from validation.report.write import write_latency_report

EXAMPLES = 60  # of each kind of document in `make test`


@dataclass(frozen=True)
class Document:
    """A kind of document.

    Attributes:
        path: where one lies.
        bad: draws what the file may hold.
        read: reads it as the commands do, and makes use of it.
        command: arguments of ``validate`` that read it.
        quick: whether the command may run to its end; else it is run only with what ``read`` refuses.
        write: puts a document there; None: it is one file.
    """

    path: Path
    bad: st.SearchStrategy
    read: Callable[[], object]
    command: tuple[object, ...] | None = None
    quick: bool = False
    write: Callable[[bytes], object] | None = None


def manifest(folder: Path) -> Document:
    """Of a TorchScript artifact."""

    def read():
        artifact = load_artifact(folder)
        false_statements(artifact)
        provenance(artifact)
        return artifact

    path = folder / "manifest.json"
    return Document(path, bad_json(json.loads(path.read_text())), read, ("cost", folder))


def kept(folder: Path) -> Document:
    """A manifest of which a baseline is made."""
    path = folder / "manifest.json"
    sound = json.loads(path.read_text())
    promised = {key: sound[key] for key in ("prompts", "tools", "components", "preprocessing")}

    def read():
        written = baseline_of(folder)
        try:
            read_baseline(written)
        except MobileSAMError as error:
            raise AssertionError(written.read_text()) from error
        finally:
            written.unlink()

    bad = mutated(promised).map(lambda document: json.dumps({**sound, **document}).encode())
    return Document(path, bad, read)


def goldens(folder: Path) -> Document:
    artifact = load_artifact(folder)

    def read():
        assert golden_cases(artifact)
        for question in golden_questions(artifact):
            pixels = question.read()
            for case in question.cases:
                case.in_frame(pixels.shape[:2], artifact.variant.image_size)

    def write(data):
        """And accept it in the manifest, so that nothing else is wrong."""
        artifact.goldens.write_bytes(data)
        record = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        listed = json.loads(manifest_text)
        listed["files"]["goldens/goldens.json"] = record
        (folder / "manifest.json").write_text(json.dumps(listed))

    manifest_text = (folder / "manifest.json").read_text()
    bad = bad_json(json.loads(artifact.goldens.read_text()))
    return Document(artifact.goldens, bad, read, ("compare", folder), write=write)


def package(folder: Path) -> Document:
    """The manifest within a Core ML package."""
    model = load_artifact(folder).components["mask_decoder"]
    path = model / "Manifest.json"
    return Document(path, bad_json(json.loads(path.read_text())), lambda: open_package(model))


def prompts(folder: Path) -> Document:
    pictures = folder.parent / "pictures"
    pictures.mkdir()
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(pictures / "photo.png")
    case = {"name": "dog", "points": [[3, 2], [4, 5]], "labels": [1, 0], "box": [1, 2, 20, 15]}
    case["truth"] = {"size": [20, 30], "counts": [100, 50, 450]}
    refined = {"name": "refined", "box": [1, 2, 3, 4], "mask_from": "dog", "mask_index": 2}
    del case["truth"]
    document = {"schema": PROMPTS, "photos": [{"image": "photo.png", "cases": [case, refined]}]}
    path = pictures / "prompts.json"
    path.write_text(json.dumps(document))

    def read():
        for question in read_prompts(path):
            question.read()

    return Document(path, bad_json(document), read, ("compare", folder, "--prompts", path))


def device_results(folder: Path) -> Document:
    """With the baseline that the results belong to, which is updated."""
    path, document = folder.with_name("results.json"), results_of(folder)
    baseline = baseline_of(folder)

    def check():
        read_device_results(path)

    arguments = ("ingest", path, "--baseline", baseline, "--update")
    return Document(path, bad_json(document), check, arguments, quick=True)


def baseline(folder: Path) -> Document:
    path = baseline_of(folder)
    results = folder.with_name("results.json")
    results.write_text(json.dumps(results_of(folder)))
    arguments = ("ingest", results, "--baseline", path, "--update")
    return Document(
        path,
        bad_json(json.loads(path.read_text())),
        lambda: read_baseline(path),
        arguments,
        quick=True,
    )


def latency(folder: Path) -> Document:
    path, report = folder.with_name("latency.json"), folder.with_name("report")
    targets = (latency_documents.target(), latency_documents.counting_target())

    def read():
        write_latency_report(report, read_latency(path), command="validate latency")
        shutil.rmtree(report)

    arguments = ("compare", folder, "--report", report, "--latency", path)
    document = latency_documents.document(*targets)
    bad = bad_json(document) | bad_json(latency_documents.of_schema_1(document))
    return Document(path, bad, read, arguments)


def gates(folder: Path) -> Document:
    path = folder.with_name("gates.toml")
    tables = ["torchscript.none", "coreml.int8", "coreml", "coreml.int2", "onnx.int8", ""]
    bad = st.one_of(
        bad_toml(tables, [field.name for field in fields(Gates)]), damaged_text(GATES.read_text())
    )
    return Document(path, bad, lambda: read_gates(path), ("compare", folder, "--gates", path))


def limits(folder: Path) -> Document:
    path, committed = folder.with_name("limits.toml"), baseline_of(folder)
    bad = st.one_of(
        bad_toml(["", "", "table"], [field.name for field in fields(Limits)]),
        damaged_text(LIMITS.read_text()),
    )
    arguments = ("regress", folder, "--baseline", committed, "--limits", path)
    return Document(path, bad, lambda: read_limits(path), arguments)


DOCUMENTS = (manifest, kept, goldens, prompts, device_results, baseline, latency, gates, limits)


@few_and_many
@pytest.mark.parametrize("kind", DOCUMENTS, ids=lambda kind: kind.__name__)
def test_bad_documents(tiny_artifact, kind, scale):
    hold(kind(tiny_artifact), tiny_artifact.parent, scale)


@few_and_many
def test_bad_manifests_of_packages(tiny_package, scale):
    hold(package(tiny_package), tiny_package.parent, scale)


def hold(document: Document, folder: Path, scale: int) -> None:
    """Read many bad documents, each in the place of a sound one, with the function and with the command."""

    def check(data: bytes) -> None:
        (document.write or document.path.write_bytes)(data)
        before = contents(folder)
        try:
            document.read()
            refused = False
        except MobileSAMError:
            refused = True
        assert contents(folder) == before
        if document.command is None or not (refused or document.quick):
            return
        outcome = run_command(main, *document.command)
        require_told(outcome)
        if refused:
            assert outcome.status == 2
        if outcome.status == 2:
            assert contents(folder) == before
        elif document.quick:
            read_baseline(folder / "baseline.json")  # whole, whether or not it was written

    explore(document.bad, check, EXAMPLES, scale)
