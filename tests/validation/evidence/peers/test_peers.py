"""PyTorch, onnxruntime and our engines draw the same masks with the same weights, and the page states their times."""

import json
import platform
import re
import subprocess
import sys
import xml.etree.ElementTree
from dataclasses import replace

import pytest
import torch

import validation.artifacts.artifact
import validation.evidence.page
import validation.evidence.peers.measure
import validation.evidence.peers.page
from converters.prompt_slots import fill_slots
from reference.common.command_line import run
from reference.common.errors import OutputError
from reference.weights.checkpoint import read_checkpoint
from tests.support.late_openers import opener
from tests.support.requirements import lack, require_package
from validation.evidence.peers.cli import peers
from validation.evidence.peers.contestants import BASELINE, EMULATED, OURS, PEER, contestants
from validation.evidence.peers.document import build_document
from validation.evidence.peers.engines import without_slots
from validation.evidence.peers.installation import PeersError
from validation.evidence.peers.measure import (
    Standing,
    compare_masks,
    load_artifacts,
    measure_times,
    sample_photo,
)
from validation.evidence.peers.page import draw_ratios, sentences, write_page
from validation.latency.machine.host import HostState, machine
from validation.latency.recorded import parse_latency
from validation.latency.results import Measurement, StageTimes, TargetResult, Turn
from validation.latency.running.plan import STAGES, Plan
from validation.latency.running.session import Session, WarmUp
from validation.latency.statistics import Interval, Ratio

SHORT = Plan("short", runs=5, seconds=0.0)


class FitHost:
    """A machine that nobody else uses."""

    def __init__(self, cores):
        self.cores = tuple(cores)

    def state(self):
        return HostState(0.0, None, 0.0, None, None, None)

    def unwatched(self):
        return []


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    return sample_photo(tmp_path_factory.mktemp("photo"))


@pytest.fixture(scope="module")
def artifacts(tiny_source, tiny_folders):
    return load_artifacts([tiny_folders["coreml"], tiny_folders["torchscript"]], tiny_source)


@pytest.fixture(scope="module")
def everyone(tiny_source, artifacts, tmp_path_factory):
    """All contestants except ultralytics, whose MobileSAM has one size and an environment of its own."""
    require_package("onnx")
    require_package("onnxruntime")
    found = list(contestants(tiny_source, artifacts, tmp_path_factory.mktemp("peers")))
    return [contestant for contestant in found if contestant.name != "ultralytics"]


@pytest.fixture(scope="module")
def standings(everyone, photo):
    return compare_masks(everyone, photo, lambda step: None)


@pytest.fixture(scope="module")
def result(everyone):
    """Made-up times: the second contestant takes twice the time of the first, the third three times, and so on."""
    return made_up(everyone, None)


def made_up(everyone, disturbance):
    measurements = []
    for number, contestant in enumerate(everyone, 1):
        times = StageTimes(SHORT, warm_up=WarmUp((1.0,) * 10, steady=True))
        times.turns = [Turn((0.01 * number,) * 5, disturbance)]
        stages = dict.fromkeys(STAGES, times)
        memory = (400_000_000, 500_000_000)
        measurements.append(Measurement(contestant.artifact, memory=memory, stages=stages))
    return TargetResult("peers", "1 thread; a test", False, None, measurements)


def ratio(low, high):
    return Ratio((low + high) / 2, Interval(low, high), 9)


class Given:
    """Results with made-up ratios: one for each contestant, which is the same in every stage."""

    description = "1 thread; a test"

    def __init__(self, ratios):
        self.ratios = ratios
        self.measurements = range(len(ratios))

    def ratio(self, index, stage):
        return self.ratios[index]


# Masks


def test_everyone_has_a_place(everyone):
    kinds = {contestant.name: contestant.kind for contestant in everyone}
    assert kinds == {
        "PyTorch eager, the reference": BASELINE,
        "onnxruntime float32": PEER,
        "onnxruntime int8, dynamic": PEER,
        "onnxruntime int8, static": PEER,
        ".ptl none": OURS,
        "Core ML none, mil_runtime": EMULATED,
    }
    sizes = {contestant.name: contestant.size_bytes for contestant in everyone}
    assert 0 < sizes["onnxruntime int8, static"] < sizes["onnxruntime float32"]
    assert sizes[".ptl none"] == sum(
        path.stat().st_size for path in everyone[4].artifact.components.values()
    )


def test_masks_of_float32_are_the_references(standings):
    agreements = {item.contestant.name: item.agreement for item in standings}
    assert all(item.problem is None for item in standings)
    for name in ("PyTorch eager, the reference", "onnxruntime float32", ".ptl none"):
        assert agreements[name].same_frame > 0.999
        assert agreements[name].shown > 0.999
    assert 0.5 < agreements["onnxruntime int8, static"].same_frame < 0.9999


def test_official_file_holds_the_same_weights(everyone, tiny_source):
    file = everyone[0].artifact.components["image_encoder"]
    written = read_checkpoint(file)
    assert written["image_encoder.head.weight"].shape[0] == 1000
    for name, tensor in tiny_source.checkpoint.state_dict.items():
        assert torch.equal(written[name], tensor)


def test_program_that_cannot_be_run_harms_no_other(everyone, photo):
    broken = replace(everyone[1], openers=(opener("faulty_engines", "no_such_engine"),))
    first, failed, last = compare_masks([everyone[0], broken, everyone[4]], photo, lambda _: None)
    assert failed.agreement is None
    assert failed.problem
    assert first.problem is last.problem is None


def test_slots_are_emptied_again():
    coords, labels = torch.tensor([[[3.0, 4.0], [5.0, 6.0]]]), torch.tensor([[1, 0]])
    box = torch.tensor([[1.0, 2.0, 8.0, 9.0]])
    points, corners = without_slots(fill_slots(8, 64, (coords, labels), box, None))
    assert torch.equal(points[0], coords)
    assert torch.equal(points[1], labels.int())
    assert torch.equal(corners, box)
    assert without_slots(fill_slots(8, 64, None, box, None))[0] is None
    assert without_slots(fill_slots(8, 64, (coords, labels), None, None))[1] is None


def test_artifact_of_other_weights_is_refused(
    tiny_model, tiny_artifact, tiny_source, edit_manifest
):
    edit_manifest(tiny_artifact, lambda manifest: manifest["checkpoint"].update(sha256="0" * 64))
    with pytest.raises(PeersError, match="name the weights with --checkpoint$"):
        load_artifacts([tiny_artifact], tiny_source)


# Times


@pytest.mark.slow
def test_everyone_is_timed_in_one_run(everyone, standings, photo, monkeypatch):
    def warm_up(self, stage):
        return WarmUp(self.turn(stage, 3).seconds, steady=True)

    monkeypatch.setattr(Session, "warm_up", warm_up)
    monkeypatch.setattr(validation.evidence.peers.measure, "Host", FitHost)
    result = measure_times(everyone, SHORT, photo, threads=1)
    for item in result.measurements:
        assert (item.status, item.reasons) == ("measured", [])
        assert list(item.stages) == list(STAGES)
        assert item.stages["end_to_end"].summary.runs == 5
    assert result.measurements[-1].note == "mil_runtime on this processor, not Core ML"
    document = json.loads(json.dumps(build_document(standings, result, SHORT, None)))
    parse_latency(document)  # compare --latency draws it
    (target,) = document["targets"]
    assert [entry["name"] for entry in document["peers"]] == [item.name for item in everyone]
    assert len(target["artifacts"]) == len(everyone)


def test_page_is_written_from_the_run(everyone, standings, result, tmp_path, golden_text):
    agreement = replace(standings[0].agreement, same_frame=0.9999, shown=0.987)
    standings = [Standing(item, agreement) for item in everyone]
    standings[3] = Standing(everyone[3], None, "out of memory |\nof the machine")
    page, plot = tmp_path / "peers.md", tmp_path / "peers.svg"
    markers = "<!-- numbers:begin {0} -->\nNOT MEASURED\n<!-- numbers:end {0} -->\n"
    page.write_text("# Peers\n" + markers.format("in-words") + markers.format("peers"))
    with pytest.MonkeyPatch.context() as patch:
        versions = {"torch": "2", "ultralytics": "8", "onnxruntime": "1", "coremltools": "9"}
        patch.setattr(validation.evidence.peers.page, "version", versions.get)
        patch.setattr(validation.evidence.page, "version", versions.get)
        write_page(standings, result, page, plot)
        drawn = draw_ratios(standings, result)
    golden_text(
        page.read_text(),
        "peers.txt",
        day=re.compile(r"\d{4}-\d\d-\d\d"),
        python=f"python {platform.python_version()}",
        machine=machine(),
    )
    assert plot.read_text() == drawn
    root = xml.etree.ElementTree.fromstring(drawn)
    shapes = [item for item in root.iter() if item.get("class") in ("peer", "ours", "emulated")]
    assert len(shapes) == 3 + len(STAGES) * (len(everyone) - 1)  # and the legend's
    assert root.find("{*}title").text == "Time in relation to PyTorch eager"
    assert "onnxruntime float32: encode " in root.find("{*}desc").text


def test_invalid_times_are_not_written(everyone, standings, tmp_path):
    page = tmp_path / "peers.md"
    page.write_text("mine")
    invalid = made_up(everyone, "other processes used more than 0.1 of a core")
    with pytest.raises(OutputError, match="times are INVALID: PyTorch eager.*measure again"):
        write_page(standings, invalid, page, tmp_path / "peers.svg")
    assert page.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["peers.md"]


@pytest.mark.parametrize(
    ("theirs", "ours", "expected"),
    [
        (
            (0.3, 0.4),
            (0.8, 0.9),
            "onnxruntime float32 (0.35) is **faster than every artifact of ours**.",
        ),
        ((1.1, 1.2), (0.8, 0.9), "eager's time. No peer is measurably faster."),
        ((0.7, 0.85), (0.8, 0.9), "not measurably different. No peer is measurably faster."),
    ],
)
def test_sentences_say_who_is_faster(standings, theirs, ours, expected):
    chosen = [standings[0], standings[1], standings[4], standings[5]]
    # What is emulated is fastest by far, and is no claim.
    given = Given([None, ratio(*theirs), ratio(*ours), ratio(0.01, 0.02)])
    for line in sentences(chosen, given):
        assert "our fastest artifact, .ptl none, takes 0.85 of PyTorch eager's time" in line
        assert line.endswith(expected)


def test_sentences_without_figures_say_not_measured(standings):
    lines = sentences(standings[:2], Given([None, None]))
    assert lines == [f"{name}: NOT MEASURED." for name in ("Encode", "Decode", "End to end")]


# The command


@pytest.fixture
def refused(capsys, monkeypatch, tmp_path):
    """Check that the command refuses with one line, and installs nothing."""

    def check(expected, *arguments):
        monkeypatch.setenv("MOBILE_SAM_CACHE", str(tmp_path / "cache"))
        before = sorted(tmp_path.rglob("*"))
        with pytest.raises(SystemExit) as caught:
            run(peers, [str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert (caught.value.code, captured.out) == (2, "")
        assert expected in captured.err
        assert captured.err.count("\n") == 1
        assert sorted(tmp_path.rglob("*")) == before

    return check


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--check", "--write"), "--write with --check: expected one of them"),
        (("--image", "none.jpg"), "none.jpg: no such file"),
        (("no-artifact",), "no-artifact: no such artifact folder"),
        (("--threads", "0"), "0 is not in the range"),
        (("--json", "none/peers.json"), "none/peers.json: there is no folder"),
    ],
)
def test_bad_input_is_refused_before_anything_is_installed(refused, arguments, expected):
    refused(expected, *arguments)


def test_folder_of_something_else_is_no_environment(refused, tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    expected = "is not an environment of this command: name another --environment"
    refused(expected, "--check", "--environment", tmp_path)


@pytest.mark.slow
def test_command_runs_all_peers_in_an_environment_of_its_own(full_artifact, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "validation.evidence.peers", "--check", "--threads", "1"]
        + ["--json", tmp_path / "peers.json", "--environment", tmp_path / "environment"]
        + [full_artifact],
        capture_output=True,
        text=True,
        check=False,
        timeout=3600,
    )
    if "see that pip reaches a package index" in done.stderr:
        lack("ultralytics", done.stderr.strip())
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "peers.json").read_text())
    ious = {entry["name"]: entry["lowest_iou"] for entry in document["peers"]}
    assert ious["ultralytics"]["same_frame"] > 0.999  # the same weights, the same arithmetic
    assert ious["ultralytics"]["shown"] > 0.9  # its own way to resize and pad
    assert ious["onnxruntime float32"]["shown"] > 0.999
    assert ious[".ptl none"]["shown"] > 0.999
