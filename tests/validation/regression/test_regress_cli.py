"""``validate regress`` on real artifacts of the tiny model."""

import json
import shutil
import zipfile
from copy import deepcopy

import numpy as np
import pytest
import torch
from torch import nn

from converters.conversion import Source, load_source, write_artifact
from converters.torchscript.export import TorchScriptOptions
from validation.regression import observation

SLOWER = "image encoder time ÷ calibration time"


def verdicts(document):
    (lines,) = document["artifacts"].values()
    return {line["quantity"]: line["verdict"] for line in lines}


def test_nothing_changed(validate, baseline, tiny_artifact, rows, tmp_path):
    results = tmp_path / "regression.json"
    status, out, err = validate("regress", tiny_artifact, "--baseline", baseline, "--json", results)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].split() == ["quantity", "baseline", "now", "change", "limit", "verdict"]
    assert lines[1].strip() == "tiny torchscript none"
    table = rows(out)
    assert table["manifest"].endswith("same 0 pass")
    assert table["golden cases that pass their gates"] == "7 7 +0 +0 pass"
    assert table["mask IoU, mean"] == "1.000 1.000 +0.000 -0.005 pass"
    assert table["masks against baseline masks"] == "7 cases 7 cases IoU 1.000 0.95 pass"
    assert table[SLOWER] == "2 × 2 × +0 % +15 % pass"
    assert table["peak memory above the libraries"] == "100 MB 100 MB +0 % +15 % pass"
    assert lines[-2].startswith("PASS: 23 pass; baseline: ")
    assert lines[-1] == "not watched, since this system does not tell: throttling for heat"

    document = json.loads(results.read_text())
    assert document["schema"] == "mobile-sam-export/regression/1"
    assert (document["verdict"], document["updated"]) == ("passed", False)
    assert set(verdicts(document).values()) == {"passed"}


def test_first_baseline(validate, baseline, tiny_artifact, timings, tmp_path):
    path = tmp_path / "new.json"
    status, out, err = validate("regress", tiny_artifact, "--baseline", path, "--update")
    assert (status, err) == (0, "")
    assert out.splitlines()[-1] == f"{path}: written"
    assert path.read_text() == baseline.read_text()


def test_slower_and_hungrier(validate, baseline, tiny_artifact, timings, rows):
    timings(ratio=2.4, memory=130_000_000)
    status, out, _ = validate("regress", tiny_artifact, "--baseline", baseline)
    table = rows(out)
    assert status == 1
    assert table[SLOWER] == "2 × 2.4 × +20 % +15 % FAIL"
    assert table["peak memory above the libraries"] == "100 MB 130 MB +30 % +15 % FAIL"
    assert table["mask IoU, mean"].endswith("pass")
    assert "FAIL: 19 pass, 4 fail" in out


def test_faster_is_said(validate, baseline, tiny_artifact, timings, rows):
    timings(ratio=1.0)
    status, out, _ = validate("regress", tiny_artifact, "--baseline", baseline)
    assert status == 0
    assert rows(out)[SLOWER] == "2 × 1 × -50 % +15 % pass: better"
    assert (
        "3 figures improved by more than their limits; run with --update to make them the new baseline"
        in out
    )


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
    validate, baseline, tiny_artifact, timings, rows, changes, reason
):
    timings(**changes)
    status, out, _ = validate("regress", tiny_artifact, "--baseline", baseline)
    assert status == 0
    assert " INVALID " in rows(out)[SLOWER]
    assert reason in rows(out)[SLOWER]
    assert "PASS: 20 pass, 3 INVALID" in out


def test_limits_of_the_users(validate, baseline, tiny_artifact, timings, tmp_path):
    timings(ratio=2.4)
    limits = tmp_path / "limits.toml"
    limits.write_text("max_slowdown = 0.5\n")
    status, out, _ = validate("regress", tiny_artifact, "--baseline", baseline, "--limits", limits)
    assert status == 0, out


def test_baseline_of_another_machine(validate, baseline, tiny_artifact, timings, rows):
    text = baseline.read_text()
    (record,) = json.loads(text)["artifacts"].values()
    baseline.write_text(text.replace(record["machine"], "4 cores of another"))
    timings(ratio=2.4)
    status, out, _ = validate("regress", tiny_artifact, "--baseline", baseline)
    assert status == 0
    assert rows(out)[SLOWER] == "2 × 2.4 × +20 % +30 % pass"
    assert rows(out)["machine"].startswith("4 cores of another ")


def test_larger_file(validate, baseline, tiny_artifact, accept_files, rows):
    with zipfile.ZipFile(tiny_artifact / "mobile_sam_tiny_image_encoder.ptl", "a") as file:
        file.writestr("archive/extra/padding.bin", bytes(50_000))
    accept_files(tiny_artifact)
    status, out, _ = validate("regress", tiny_artifact, "--baseline", baseline)
    assert status == 1
    table = rows(out)
    failed = {quantity for quantity, rest in table.items() if rest.endswith("FAIL")}
    assert failed == {"size of image encoder"}
    assert " files 1 changed - " in table["files"] + " "


def test_manifest_that_tells_apps_otherwise(validate, baseline, tiny_artifact, edit_manifest, rows):
    def tell_apps_otherwise(manifest):
        manifest["preprocessing"]["placement"] = "center"

    edit_manifest(tiny_artifact, tell_apps_otherwise)
    status, out, _ = validate("regress", tiny_artifact, "--baseline", baseline)
    assert status == 1
    assert rows(out)["manifest"].endswith("1 changed 0 FAIL")
    assert rows(out)["manifest: preprocessing.placement"] == "top left center changed - FAIL"


@pytest.mark.slow
def test_other_weights(validate, baseline, tiny_model, other_weights, rows, tmp_path):
    source = load_source(other_weights, tiny_model)
    folder = write_artifact(source, TorchScriptOptions("none"), tmp_path / "other")
    status, out, _ = validate("regress", folder, "--baseline", baseline)
    assert status == 1
    table = rows(out)
    assert table["manifest: checkpoint.sha256"].endswith("changed - FAIL")
    # Its own goldens fit the new weights, so only the baseline's masks show the change.
    assert table["mask IoU, mean"].endswith("pass")
    assert table["masks against baseline masks"].endswith("0.95 FAIL")


@pytest.mark.slow
def test_other_operators(validate, baseline, tiny_source, tiny_model, rows, tmp_path):
    class Sine(nn.Module):
        def __init__(self, layer):
            super().__init__()
            self.layer = layer

        def forward(self, x):
            return self.layer(x) + 1e-9 * torch.sinh(x.mean())

    sam = deepcopy(tiny_source.sam)
    sam.image_encoder.neck[0] = Sine(sam.image_encoder.neck[0])
    source = Source(**{**vars(tiny_source), "sam": sam})
    folder = write_artifact(source, TorchScriptOptions("none"), tmp_path / "other")
    status, out, _ = validate("regress", folder, "--baseline", baseline)
    assert status == 1
    table = rows(out)
    assert "+aten::mean" in table["operators of image encoder"]
    assert "aten::sinh" in table["operators of image encoder"]
    assert table["operators of image encoder"].endswith("0 FAIL")
    assert table["operators of mask decoder"].endswith("same 0 pass")


def test_artifact_that_cannot_be_run(validate, baseline, tiny_artifact, accept_files, rows):
    before = baseline.read_text()
    (tiny_artifact / "mobile_sam_tiny_mask_decoder.ptl").write_bytes(b"not a model")
    accept_files(tiny_artifact)
    status, out, err = validate("regress", tiny_artifact, "--baseline", baseline, "--update")
    assert (status, err) == (1, "")
    assert "FAIL" in rows(out)["masks"]
    assert "convert again" in rows(out)["latency"]
    assert baseline.read_text() == before


@pytest.mark.slow
def test_core_ml_is_not_timed_without_core_ml(validate, baseline, tiny_package, rows):
    arguments = ("regress", tiny_package, "--baseline", baseline)
    status, out, err = validate(*arguments)
    assert (status, out) == (2, "")
    assert "has no artifact 'tiny coreml none'" in err
    assert validate(*arguments, "--update")[0] == 0
    status, out, err = validate(*arguments)
    assert (status, err) == (0, "")
    assert "mil_runtime is not Core ML" in rows(out)["latency"]
    assert rows(out)["mask IoU, mean"].endswith("pass")
    keys = list(json.loads(baseline.read_text())["artifacts"])
    assert keys == ["tiny coreml none", "tiny torchscript none"]


def test_update_leaves_noise_out_of_the_diff(validate, baseline, tiny_artifact, timings):
    before = baseline.read_text()
    timings(ratio=2.05, memory=102_000_000)
    assert validate("regress", tiny_artifact, "--baseline", baseline, "--update")[0] == 0
    assert baseline.read_text() == before
    timings(ratio=3.0)
    status, out, _ = validate("regress", tiny_artifact, "--baseline", baseline, "--update")
    assert status == 0
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


def test_update_on_a_disturbed_machine_keeps_latencies(validate, baseline, tiny_artifact, timings):
    before = baseline.read_text()
    timings(disturbance="the machine saves power")
    assert validate("regress", tiny_artifact, "--baseline", baseline, "--update")[0] == 0
    assert baseline.read_text() == before


def test_json_in_place_of_the_table(validate, baseline, tiny_artifact):
    status, out, _ = validate("regress", tiny_artifact, "--baseline", baseline, "--json", "-")
    assert status == 0
    assert json.loads(out)["baseline"] == str(baseline)


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
    validate, baseline, tiny_artifact, answering, rows, change, tmp_path
):
    answering(change)
    status, out, _ = validate("regress", tiny_artifact, "--baseline", baseline)
    assert status == 1
    assert rows(out)["masks"].endswith("FAIL NaN or infinity in 7 of 7 golden cases")
    path = tmp_path / "new.json"
    status, _, _ = validate("regress", tiny_artifact, "--baseline", path, "--update")
    assert status == 1
    assert not path.exists()


def test_goldens_without_a_mask_are_no_baseline(
    validate, baseline, tiny_artifact, answering, accept_files, rows, tmp_path
):
    """The artifact draws no mask either, so neither a golden nor a baseline would show a mistake."""
    for path in (tiny_artifact / "goldens").glob("*.low_res_masks.f32"):
        np.full(4 * 64 * 64, -1, "<f4").tofile(path)
    accept_files(tiny_artifact)
    answering(lambda masks, scores: (masks * 0 - 1, scores))
    path = tmp_path / "new.json"
    for arguments in (("--baseline", baseline), ("--baseline", path, "--update")):
        status, out, _ = validate("regress", tiny_artifact, *arguments)
        assert status == 1
        assert "NOT PROVEN nothing was proven in any case: each mask" in rows(out)["masks"]
    assert not path.exists()


def change_masks(baseline, change):
    document = json.loads(baseline.read_text())
    (record,) = document["artifacts"].values()
    record["masks"] = change(record["masks"])
    baseline.write_text(json.dumps(document))


def test_baseline_without_masks_is_said(validate, baseline, tiny_artifact, rows):
    change_masks(baseline, lambda masks: {})
    status, out, _ = validate("regress", tiny_artifact, "--baseline", baseline)
    assert status == 0
    beside = rows(out)["masks against baseline masks"]
    assert beside.endswith("NOT RUN the baseline has no masks: run with --update to add them")


def test_nothing_new_is_no_pass(validate, tiny_artifact, tmp_path):
    """There is nothing to compare a first baseline with."""
    results = tmp_path / "regression.json"
    arguments = ("--baseline", tmp_path / "new.json", "--update", "--json", results)
    status, out, _ = validate("regress", tiny_artifact, *arguments)
    assert status == 0
    assert "\nNOT RUN: 0 pass, " in out
    assert json.loads(results.read_text())["verdict"] == "not run"
