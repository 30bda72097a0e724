"""``validate ingest``: results of phones are compared with the baseline of a real artifact."""

import copy
import json
import re
from pathlib import Path

import numpy as np
import pytest

from validation.regression.outlines import outline_of

PAGE = Path(__file__).parents[3] / "docs" / "device-results.md"
EXAMPLE = json.loads(re.search(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL).group(1))
EMPTY = outline_of(np.zeros((48, 64), bool))
DEVICE = "Pixel 8, android 15, cpu, 4 threads"


@pytest.fixture
def phone(tiny_artifact, tmp_path):
    """Write an app's results for ``tiny_artifact``, with changes to the document."""
    manifest = json.loads((tiny_artifact / "manifest.json").read_text())
    goldens = json.loads((tiny_artifact / "goldens" / "goldens.json").read_text())
    document = copy.deepcopy(EXAMPLE)
    document["artifact"] = {
        **{key: manifest[key] for key in ("model", "format", "scheme", "files")},
        "checkpoint_sha256": manifest["checkpoint"]["sha256"],
    }
    document["cases"] = [
        {
            "name": case["name"],
            "mask_ious": [0.99, 0.98, 0.97, 0.96],
            "max_score_difference": 0.01,
            "passed": True,
        }
        for case in goldens["cases"]
    ]

    def write(name, change=lambda document: None):
        changed = copy.deepcopy(document)
        change(changed)
        path = tmp_path / name
        path.write_text(json.dumps(changed))
        return path

    return write


def slow_by(factor):
    def change(document):
        times = document["milliseconds"]["image_encoder"]
        times["steady"] = [factor * time for time in times["steady"]]

    return change


def hot(document):
    slow_by(2)(document)
    document["after"]["thermal_state"] = "severe"


def wrong(document):
    document["cases"][2]["mask_ious"][1] = 0.3
    document["cases"][2]["passed"] = False


@pytest.fixture
def known_phone(validate, baseline, phone):
    """The baseline, including the results of ``phone``."""
    arguments = ("ingest", phone("first.json"), "--baseline", baseline, "--update")
    status, out, err = validate(*arguments)
    assert (status, err) == (0, ""), out
    return baseline


def test_without_a_baseline_masks_are_judged(validate, phone, rows):
    status, out, err = validate("ingest", phone("good.json"))
    assert (status, err) == (0, "")
    table = rows(out)
    assert table["masks of good.json"] == "- 7 of 7 cases - 0.5 pass"
    assert table["image encoder"] == "- 701 ms - +15 % NOT RUN no baseline was named"
    status, out, _ = validate("ingest", phone("wrong.json", wrong))
    assert status == 1
    assert rows(out)["masks of wrong.json"].endswith("FAIL wrong: box (IoU 0.300)")


def test_update_adds_the_device(known_phone, validate, phone, rows):
    document = json.loads(known_phone.read_text())
    assert document["devices"] == {
        DEVICE: {
            "tiny torchscript none": {
                "load": 412,
                "image_encoder": 701,
                "mask_decoder": 31.0,
                "end_to_end": 790,
                "memory": 581,
            }
        }
    }
    status, out, _ = validate("ingest", phone("good.json"), "--baseline", known_phone)
    assert status == 0
    assert f"tiny torchscript none on {DEVICE}" in out
    assert rows(out)["artifact"].endswith("files same 0 pass")
    assert rows(out)["image encoder"] == "701 ms 701 ms +0 % +15 % pass"


def test_slower_phone(known_phone, validate, phone, rows):
    path = phone("slow.json", slow_by(1.3))
    status, out, _ = validate("ingest", path, "--baseline", known_phone)
    assert status == 1
    assert rows(out)["image encoder"] == "701 ms 912 ms +30.1 % +15 % FAIL"
    assert rows(out)["mask decoder"].endswith("pass")
    status, _, _ = validate("ingest", path, "--baseline", known_phone, "--update")
    assert status == 0
    assert '"image_encoder": 912.0' in known_phone.read_text()


def test_hot_run_is_not_averaged_in(known_phone, validate, phone, rows):
    paths = phone("good.json"), phone("hot.json", hot)
    status, out, _ = validate("ingest", *paths, "--baseline", known_phone)
    assert status == 0
    assert rows(out)["times of hot.json"].startswith(
        "- - - - INVALID the device slowed down for heat"
    )
    assert rows(out)["image encoder"] == "701 ms 701 ms +0 % +15 % pass"


def test_only_hot_runs(known_phone, validate, phone, rows):
    before = known_phone.read_text()
    path = phone("hot.json", hot)
    status, out, _ = validate("ingest", path, "--baseline", known_phone, "--update")
    assert status == 0
    assert rows(out)["image encoder"] == "701 ms - - +15 % INVALID no run has usable times"
    assert known_phone.read_text() == before


def test_several_runs_count_by_their_median(known_phone, validate, phone, rows):
    paths = [phone(f"{factor}.json", slow_by(factor)) for factor in (1, 1.1, 5)]
    status, out, _ = validate("ingest", *paths, "--baseline", known_phone)
    assert status == 0
    assert rows(out)["image encoder"] == "701 ms 772 ms +10.1 % +15 % pass"


@pytest.mark.parametrize(
    ("change", "device"),
    [
        (lambda d: d["device"].update(model="Pixel 9"), "Pixel 9, android 15, cpu, 4 threads"),
        (lambda d: d["device"].update(os_version="16.1"), "Pixel 8, android 16, cpu, 4 threads"),
        (lambda d: d["compute"].update(threads=1), "Pixel 8, android 15, cpu, 1 thread"),
    ],
)
def test_another_device_is_not_compared(known_phone, validate, phone, rows, change, device):
    def change_all(document):
        slow_by(3)(document)
        change(document)

    path = phone("other.json", change_all)
    status, out, _ = validate("ingest", path, "--baseline", known_phone)
    assert status == 0
    assert device in out
    reason = "the baseline has no figures of this device: run with --update to add them"
    assert rows(out)["image encoder"].endswith(f"NOT RUN {reason}")


def test_minor_versions_are_one_system(known_phone, validate, phone, rows):
    path = phone("patched.json", lambda document: document["device"].update(os_version="15.0.1"))
    status, out, _ = validate("ingest", path, "--baseline", known_phone)
    assert status == 0
    assert rows(out)["image encoder"].endswith("pass")


def test_another_build_of_the_artifact(known_phone, validate, phone, rows):
    def other_build(document):
        document["artifact"]["files"]["mobile_sam_tiny_mask_decoder.ptl"]["sha256"] = "0" * 64
        document["artifact"]["checkpoint_sha256"] = "1" * 64

    before = known_phone.read_text()
    arguments = ("ingest", phone("other.json", other_build), "--baseline", known_phone)
    for update in ((), ("--update",)):
        status, out, _ = validate(*arguments, *update)
        assert status == 1
        line = rows(out)["artifact"]
        assert "2 differ 0 FAIL" in line
        assert (
            "these differ from the baseline: mobile_sam_tiny_mask_decoder.ptl, the checkpoint; measure"
            in line
        )
        assert rows(out)["image encoder"].endswith("NOT RUN another artifact was measured")
    assert known_phone.read_text() == before


def test_wrong_masks_are_no_baseline(known_phone, validate, phone):
    before = known_phone.read_text()
    path = phone("wrong.json", wrong)
    status, _, _ = validate("ingest", path, "--baseline", known_phone, "--update")
    assert status == 1
    assert known_phone.read_text() == before


def test_goldens_that_were_not_asked(known_phone, validate, phone, rows):
    path = phone("few.json", lambda document: document["cases"].pop(0))
    status, out, _ = validate("ingest", path, "--baseline", known_phone)
    assert status == 1
    assert rows(out)["masks of few.json"].endswith("FAIL missing: one_point")


def test_app_that_crashed(known_phone, validate, phone, rows):
    def crashed(document):
        document["milliseconds"]["mask_decoder"] = None
        document["memory"]["peak_after"] = document["after"] = None
        document["failure"] = "out of memory while it ran the mask decoder"

    path = phone("crashed.json", crashed)
    status, out, _ = validate("ingest", path, "--baseline", known_phone)
    assert status == 1
    assert rows(out)["times of crashed.json"].endswith(
        "FAIL out of memory while it ran the mask decoder"
    )


def test_json(known_phone, validate, phone):
    path = phone("slow.json", slow_by(1.3))
    status, out, _ = validate("ingest", path, "--baseline", known_phone, "--json", "-")
    document = json.loads(out)
    (lines,) = document["artifacts"].values()
    (line,) = (line for line in lines if line["quantity"] == "image encoder")
    assert status == 1
    assert document["verdict"] == "failed"
    assert (line["baseline"], line["now"], line["unit"], line["limit"]) == (701, 912, "ms", 0.15)


def test_refusals(refuses, baseline, phone, tmp_path):
    good = phone("good.json")
    refuses("expected --baseline FILE as well", "ingest", good, "--update")
    refuses("no such file", "ingest", tmp_path / "none.json")
    refuses("no such file", "ingest", good, "--baseline", tmp_path / "none.json", "--update")
    garbage = tmp_path / "garbage.json"
    garbage.write_text("{}")
    refuses("'schema' is None", "ingest", garbage)
    refuses("'schema' is None", "ingest", good, "--baseline", garbage)
    other = phone("other.json", lambda document: document["artifact"].update(scheme="int8"))
    refuses("has no artifact 'tiny torchscript int8'", "ingest", other, "--baseline", baseline)


def one_case(document):
    del document["cases"][1:]


def no_limit(document):
    document["limits"]["min_iou"] = 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (one_case, "nothing was proven by 1 golden case: expected 2 or more"),
        (no_limit, "nothing was proven: the limit is an IoU of 0, which every mask meets"),
    ],
)
def test_masks_that_prove_nothing(validate, phone, rows, change, reason):
    status, out, _ = validate("ingest", phone("vain.json", change))
    assert status == 1
    assert rows(out)["masks of vain.json"].endswith(f"NOT PROVEN {reason}")
    assert out.splitlines()[-1].startswith("NOT PROVEN: ")


def test_baseline_without_a_mask_proves_nothing(validate, baseline, phone, rows):
    """This holds even if the phone's masks equal the golden masks. Nothing is written."""
    document = json.loads(baseline.read_text())
    (record,) = document["artifacts"].values()
    record["masks"] = dict.fromkeys(record["masks"], EMPTY)
    baseline.write_text(json.dumps(document))
    before = baseline.read_text()
    status, out, _ = validate("ingest", phone("a.json"), "--baseline", baseline, "--update")
    assert status == 1
    assert (
        "NOT PROVEN nothing was proven: each golden mask is empty" in rows(out)["masks of a.json"]
    )
    assert baseline.read_text() == before
