"""``validate regress`` on real artifacts of the tiny model."""

import json
import shutil
import zipfile
from copy import deepcopy
from dataclasses import replace

import pytest
import torch
from torch import nn

from converters.conversion import load_source, write_artifact
from converters.torchscript.options import TorchScriptOptions
from reference.common.folders import size_of
from validation.artifacts.artifact import load_artifact
from validation.regression import observation

SLOWER = "image encoder time ÷ calibration time"


@pytest.fixture
def changed_baseline(baseline, timings):
    """A baseline from which the artifact differs, for the better and for the worse."""
    document = json.loads(baseline.read_text())
    (record,) = document["artifacts"].values()
    record["manifest"]["preprocessing.placement"] = "center"
    record["operators"]["mask_decoder"][0] = "aten::sinh"
    record["figures"] |= {
        "masks.mean_iou": 0.98,
        "latency.image_encoder": 1.7,
        "latency.mask_decoder": 1.5,
        "latency.end_to_end": 4.0,
    }
    del record["figures"]["memory.added"]
    record["files"]["goldens/goldens.json"] = "0" * 64
    baseline.write_text(json.dumps(document))
    timings(scatter=(0.9, 1.0, 1.1))
    return baseline


@pytest.fixture
def vain_artifact(tiny_artifact, empty_goldens, edit_manifest, tmp_path):
    """An artifact of another scheme, whose golden masks are all empty."""
    folder = shutil.copytree(tiny_artifact, tmp_path / "vain")
    edit_manifest(folder, lambda manifest: manifest.update(scheme="int8"))
    empty_goldens(folder)
    return folder


def test_table(validate, changed_baseline, tiny_artifact, vain_artifact, golden_text, tmp_path):
    """The table of an artifact that changed, and of one that is new to the baseline and proves nothing."""
    results = tmp_path / "regression.json"
    arguments = ("--baseline", changed_baseline, "--update", "--json", results)
    status, out, err = validate("regress", tiny_artifact, vain_artifact, *arguments)
    assert (status, err) == (1, "")
    components = load_artifact(tiny_artifact).components
    sizes = {name: f"{size_of(path):,}" for name, path in components.items()}
    golden_text(out, "regress.txt", baseline=str(changed_baseline), **sizes)
    assert json.loads(results.read_text())["verdict"] == "failed"


def test_nothing_changed(checked, baseline, tiny_artifact):
    now = checked("regress", tiny_artifact, "--baseline", baseline)
    assert now.status == 0
    assert list(now.document["artifacts"]) == ["tiny torchscript none"]
    assert now.counts == {"passed": 23}
    counts = now.values("manifest")
    assert counts[0] == counts[1]
    assert counts[2:] == ("same", 0)
    assert now.values("golden cases that pass their gates") == (7, 7, 0, 0)
    assert now.values("mask IoU, mean") == (1, 1, 0, 0.005)
    assert now.values("masks against baseline masks") == ("7 cases", "7 cases", "IoU 1.000", 0.95)
    assert now.values(SLOWER) == (2, 2, 0, 0.15)
    assert now.values("peak memory above the libraries") == (100, 100, 0, 0.15)
    del now.document["artifacts"]
    assert now.document == {
        "schema": "mobile-sam-export/regression/1",
        "verdict": "passed",
        "baseline": str(baseline),
        "updated": False,
        "unwatched": ["throttling for heat"],
    }


def test_first_baseline(checked, baseline, tiny_artifact, tmp_path):
    """There is nothing to compare a first baseline with, so nothing passes."""
    path = tmp_path / "new.json"
    now = checked("regress", tiny_artifact, "--baseline", path, "--update")
    assert now.status == 0
    assert (now.document["updated"], now.document["verdict"]) == (True, "not run")
    assert set(now.counts) == {"information"}
    assert now.values(SLOWER) == (None, 2, "new", None)
    assert path.read_text() == baseline.read_text()


def test_words_of_a_first_baseline(validate, tiny_artifact, tmp_path):
    """The last lines say that the baseline was written, and not that nothing was run."""
    path = tmp_path / "new.json"
    status, out, _ = validate("regress", tiny_artifact, "--baseline", path, "--update")
    assert status == 0
    assert f"NOTHING COMPARED: 0 pass, 19 new; baseline: {path}\n" in out
    assert out.endswith(f"{path}: written\n")
    assert "NOT RUN" not in out


def test_slower_and_hungrier(checked, baseline, tiny_artifact, timings):
    timings(ratio=2.4, memory=130_000_000)
    now = checked("regress", tiny_artifact, "--baseline", baseline)
    assert (now.status, now.document["verdict"]) == (1, "failed")
    assert now.values(SLOWER) == pytest.approx((2, 2.4, 0.2, 0.15))
    assert now.verdict(SLOWER) == "failed"
    assert now.values("peak memory above the libraries") == pytest.approx((100, 130, 0.3, 0.15))
    assert now.verdict("peak memory above the libraries") == "failed"
    assert now.counts == {"passed": 19, "failed": 4}


def test_faster_is_said(checked, baseline, tiny_artifact, timings):
    timings(ratio=1.0)
    now = checked("regress", tiny_artifact, "--baseline", baseline)
    assert now.status == 0
    assert now.values(SLOWER) == (2, 1, -0.5, 0.15)
    assert now.verdict(SLOWER) == "better"
    assert now.counts == {"passed": 20, "better": 3}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"ratio": 4.0, "disturbance": "other processes used more than 0.6 of a core"},
            "in 5 of 5 turns other processes used more than 0.6 of a core",
        ),
        ({"scatter": (0.7, 1.0, 1.4)}, "known only to ± 35%: measure again on an idle machine"),
    ],
)
def test_disturbed_machine_neither_passes_nor_fails(
    checked, baseline, tiny_artifact, timings, changes, reason
):
    timings(**changes)
    now = checked("regress", tiny_artifact, "--baseline", baseline)
    assert (now.status, now.document["verdict"]) == (0, "passed")
    assert (now.verdict(SLOWER), now.reason(SLOWER)) == ("invalid", reason)
    assert now.counts == {"passed": 20, "invalid": 3}


def test_limits_of_the_users(checked, baseline, tiny_artifact, timings, tmp_path):
    timings(ratio=2.4)
    limits = tmp_path / "limits.toml"
    limits.write_text("max_slowdown = 0.5\n")
    now = checked("regress", tiny_artifact, "--baseline", baseline, "--limits", limits)
    assert now.status == 0
    assert now.values(SLOWER) == pytest.approx((2, 2.4, 0.2, 0.5))


def test_baseline_of_another_machine(checked, baseline, tiny_artifact, timings):
    text = baseline.read_text()
    (record,) = json.loads(text)["artifacts"].values()
    baseline.write_text(text.replace(record["machine"], "4 cores of another"))
    timings(ratio=2.4)
    now = checked("regress", tiny_artifact, "--baseline", baseline)
    assert now.status == 0
    assert now.values(SLOWER) == pytest.approx((2, 2.4, 0.2, 0.3))
    assert now.values("machine") == ("4 cores of another", record["machine"], "changed", None)
    assert now.verdict("machine") == "information"


def test_larger_file(checked, baseline, tiny_artifact, accept_files):
    with zipfile.ZipFile(tiny_artifact / "mobile_sam_tiny_image_encoder.ptl", "a") as file:
        file.writestr("archive/extra/padding.bin", bytes(50_000))
    accept_files(tiny_artifact)
    now = checked("regress", tiny_artifact, "--baseline", baseline)
    assert now.status == 1
    assert now.counts == {"passed": 22, "failed": 1, "information": 1}
    assert now.verdict("size of image encoder") == "failed"
    assert now.values("files")[2:] == ("1 changed", None)


def test_manifest_that_tells_apps_otherwise(checked, baseline, tiny_artifact, edit_manifest):
    def tell_apps_otherwise(manifest):
        manifest["preprocessing"]["placement"] = "center"

    edit_manifest(tiny_artifact, tell_apps_otherwise)
    now = checked("regress", tiny_artifact, "--baseline", baseline)
    entry = "manifest: preprocessing.placement"
    assert now.status == 1
    assert now.values("manifest")[2:] == ("1 changed", 0)
    assert now.values(entry) == ("top left", "center", "changed", None)
    assert now.verdict("manifest") == now.verdict(entry) == "failed"


@pytest.mark.slow
def test_other_weights(checked, baseline, tiny_model, other_weights, tmp_path):
    source = load_source(other_weights, tiny_model)
    folder = write_artifact(source, TorchScriptOptions("none"), tmp_path / "other")
    now = checked("regress", folder, "--baseline", baseline)
    assert now.status == 1
    assert now.values("manifest: checkpoint.sha256")[2:] == ("changed", None)
    assert now.verdict("manifest: checkpoint.sha256") == "failed"
    # Its own goldens fit the new weights, so only the baseline's masks show the change.
    assert now.verdict("mask IoU, mean") == "passed"
    assert now.verdict("masks against baseline masks") == "failed"


@pytest.mark.slow
def test_other_operators(checked, baseline, tiny_source, tiny_model, tmp_path):
    class Sine(nn.Module):
        def __init__(self, layer):
            super().__init__()
            self.layer = layer

        def forward(self, x):
            return self.layer(x) + 1e-9 * torch.sinh(x.mean())

    sam = deepcopy(tiny_source.sam)
    attention = sam.image_encoder.stages[1].blocks[0].attn
    attention.norm = Sine(attention.norm)
    source = replace(tiny_source, sam=sam)
    folder = write_artifact(source, TorchScriptOptions("none"), tmp_path / "other")
    now = checked("regress", folder, "--baseline", baseline)
    assert now.status == 1
    change, limit = now.values("operators of image encoder")[2:]
    assert change.startswith("+")
    assert "aten::mean" in change
    assert "aten::sinh" in change
    assert (limit, now.verdict("operators of image encoder")) == (0, "failed")
    assert now.values("operators of mask decoder")[2:] == ("same", 0)
    assert now.verdict("operators of mask decoder") == "passed"


def test_artifact_that_cannot_be_run(checked, baseline, tiny_artifact, accept_files):
    before = baseline.read_text()
    (tiny_artifact / "mobile_sam_tiny_mask_decoder.ptl").write_bytes(b"not a model")
    accept_files(tiny_artifact)
    now = checked("regress", tiny_artifact, "--baseline", baseline, "--update")
    assert (now.status, now.document["updated"]) == (1, False)
    for quantity in ("masks", "latency", "memory"):
        assert now.verdict(quantity) == "failed"
        assert "convert again" in now.reason(quantity)
    assert baseline.read_text() == before


@pytest.mark.slow
def test_core_ml_is_not_timed_without_core_ml(checked, refuses, baseline, tiny_package):
    arguments = ("regress", tiny_package, "--baseline", baseline)
    refuses("has no artifact 'tiny coreml none'", *arguments)
    assert checked(*arguments, "--update").status == 0
    now = checked(*arguments)
    assert now.status == 0
    assert now.verdict("latency") == "not run"
    assert "mil_runtime is not Core ML" in now.reason("latency")
    assert now.verdict("mask IoU, mean") == "passed"
    keys = list(json.loads(baseline.read_text())["artifacts"])
    assert keys == ["tiny coreml none", "tiny torchscript none"]


def test_update_leaves_noise_out_of_the_diff(checked, baseline, tiny_artifact, timings):
    before = baseline.read_text()
    timings(ratio=2.05, memory=102_000_000)
    assert checked("regress", tiny_artifact, "--baseline", baseline, "--update").status == 0
    assert baseline.read_text() == before
    timings(ratio=3.0)
    assert checked("regress", tiny_artifact, "--baseline", baseline, "--update").status == 0
    changed = [
        line
        for line, old in zip(baseline.read_text().splitlines(), before.splitlines(), strict=True)
        if line != old
    ]
    assert [line.split(":")[0].strip() for line in changed] == [
        '"latency.end_to_end"',
        '"latency.image_encoder"',
        '"latency.mask_decoder"',
    ]


def test_update_on_a_disturbed_machine_keeps_latencies(checked, baseline, tiny_artifact, timings):
    before = baseline.read_text()
    timings(disturbance="the machine saves power")
    assert checked("regress", tiny_artifact, "--baseline", baseline, "--update").status == 0
    assert baseline.read_text() == before


def test_two_of_one_kind(refuses, baseline, tiny_artifact, tmp_path):
    copy = shutil.copytree(tiny_artifact, tmp_path / "copy")
    refuses(
        "are both 'tiny torchscript none'",
        *("regress", tiny_artifact, copy, "--baseline", baseline),
    )


def test_no_baseline(refuses, tiny_artifact, tmp_path):
    path = tmp_path / "none.json"
    refuses("no such file: expected a baseline", "regress", tiny_artifact, "--baseline", path)
    refuses("Missing option '--baseline'", "regress", tiny_artifact)
    refuses("there is no folder", "regress", tiny_artifact, "--baseline", path / "b", "--update")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{", "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON"),
        ('{"schema": NaN}', "is not valid JSON"),
        ("[]", "'schema' is None: expected 'mobile-sam-export/baseline/1'"),
        (
            '{"schema": "mobile-sam-export/baseline/0"}',
            "'schema' is 'mobile-sam-export/baseline/0'",
        ),
        ('{"schema": "mobile-sam-export/baseline/1"}', "lacks 'artifacts', 'devices'"),
    ],
)
@pytest.mark.parametrize("update", [(), ("--update",)])
def test_garbage(refuses, tiny_artifact, tmp_path, text, expected, update):
    path = tmp_path / "baseline.json"
    path.write_text(text)
    refuses(expected, "regress", tiny_artifact, "--baseline", path, *update)


@pytest.mark.parametrize(
    ("place", "value", "expected"),
    [
        (("figures", "masks.mean_iou"), "high", "expected a number of -1e+18 to 1e+18"),
        (("figures", "masks.mean_iou"), 10**90, "expected a number of -1e+18 to 1e+18"),
        (("figures", "speed"), 1, "expected one of masks.cases_held"),
        (("masks", "box"), "64x64 !!", "not a mask"),
        (("masks", "box"), "64x64 0", "the RLE is damaged"),
        (("masks", "box"), "../box", "not a mask"),
        (("machine",), "two\nlines", "expected a line of text"),
        (("operators", "image_encoder"), "aten::add", "expected a list"),
        (("manifest", "prompt_slots"), [8], "expected a number of -1e+18 to 1e+18"),
        (("tools",), None, "expected an object of"),
    ],
)
def test_damaged_record(refuses, baseline, tiny_artifact, place, value, expected):
    document = json.loads(baseline.read_text())
    (record,) = document["artifacts"].values()
    *parents, last = place
    for key in parents:
        record = record[key]
    record[last] = value
    baseline.write_text(json.dumps(document))
    refuses(expected, "regress", tiny_artifact, "--baseline", baseline)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("max_speed = 1", "'max_speed': expected one of max_cases_lost"),
        ("max_slowdown = -1", "'max_slowdown' is -1: expected a number from 0"),
        ("max_slowdown = nan", "expected a number from 0"),
        ("max_slowdown = inf", "'max_slowdown' is inf: expected a number from 0 to 1000"),
        ("min_baseline_iou = 1.5", "'min_baseline_iou' is 1.5: expected a number from 0 to 1"),
        ("max_slowdown = true", "expected a number from 0"),
        ("[", "is not valid TOML"),
    ],
)
def test_limits_that_are_none(refuses, baseline, tiny_artifact, tmp_path, text, expected):
    path = tmp_path / "limits.toml"
    path.write_text(text)
    refuses(expected, "regress", tiny_artifact, "--baseline", baseline, "--limits", path)


# Artifacts that prove nothing


@pytest.fixture
def answering(monkeypatch, timings):
    """Replace the artifact's masks and scores by what ``change`` returns for them."""
    open_here = observation.open_isolated

    def set_change(change):
        def open_changed(artifact, openers, limit):
            engine = open_here(artifact, openers, limit)
            decode = engine.decode
            engine.decode = lambda *inputs: change(*decode(*inputs))
            return engine

        monkeypatch.setattr(observation, "open_isolated", open_changed)

    return set_change


@pytest.mark.parametrize(
    "change",
    [
        lambda masks, scores: (masks * float("nan"), scores),
        lambda masks, scores: (masks, scores * float("inf")),
    ],
)
def test_what_is_not_finite_is_no_baseline(
    checked, baseline, tiny_artifact, answering, change, tmp_path
):
    answering(change)
    now = checked("regress", tiny_artifact, "--baseline", baseline)
    assert (now.status, now.verdict("masks")) == (1, "failed")
    assert now.reason("masks") == "NaN or infinity in 7 of 7 golden cases"
    path = tmp_path / "new.json"
    assert checked("regress", tiny_artifact, "--baseline", path, "--update").status == 1
    assert not path.exists()


def test_goldens_without_a_mask_are_no_baseline(
    checked, baseline, tiny_artifact, answering, empty_goldens, tmp_path
):
    """The artifact draws no mask either, so neither a golden nor a baseline would show a mistake."""
    empty_goldens(tiny_artifact)
    answering(lambda masks, scores: (masks * 0 - 1, scores))
    path = tmp_path / "new.json"
    for arguments in (("--baseline", baseline), ("--baseline", path, "--update")):
        now = checked("regress", tiny_artifact, *arguments)
        assert (now.status, now.document["verdict"]) == (1, "not proven")
        assert now.verdict("masks") == "not proven"
        assert now.reason("masks").startswith("nothing was proven in any case: each mask")
    assert not path.exists()


def change_masks(baseline, change):
    document = json.loads(baseline.read_text())
    (record,) = document["artifacts"].values()
    record["masks"] = change(record["masks"])
    baseline.write_text(json.dumps(document))


def test_baseline_without_masks_is_said(checked, baseline, tiny_artifact):
    change_masks(baseline, lambda masks: {})
    now = checked("regress", tiny_artifact, "--baseline", baseline)
    assert now.status == 0
    assert now.verdict("masks against baseline masks") == "not run"
    assert now.reason("masks against baseline masks") == (
        "the baseline has no masks: run with --update to add them"
    )
