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


def slower_and_faster(document):
    slow_by(1.3)(document)
    times = document["milliseconds"]["mask_decoder"]
    times["steady"] = [time / 2 for time in times["steady"]]


def hot(document):
    slow_by(2)(document)
    document["after"]["thermal_state"] = "severe"


def wrong(document):
    document["cases"][2]["mask_ious"][1] = 0.3
    document["cases"][2]["passed"] = False


@pytest.fixture
def known_phone(checked, baseline, phone):
    """The baseline, including the results of ``phone``."""
    now = checked("ingest", phone("first.json"), "--baseline", baseline, "--update")
    assert now.document["updated"]
    return baseline


def test_table(known_phone, validate, phone, golden_text):
    """The table of a device whose times changed, and of one that is new to the baseline."""
    paths = (
        phone("changed.json", slower_and_faster),
        phone("hot.json", hot),
        phone("new.json", lambda document: document["device"].update(model="Pixel 9")),
    )
    status, out, err = validate("ingest", *paths, "--baseline", known_phone, "--update")
    assert (status, err) == (0, "")
    golden_text(out, "ingest.txt", baseline=str(known_phone))


def test_without_a_baseline_masks_are_judged(checked, phone):
    now = checked("ingest", phone("good.json"))
    assert (now.status, now.document["baseline"]) == (0, None)
    assert now.values("masks of good.json") == (None, "7 of 7 cases", None, 0.5)
    assert now.verdict("masks of good.json") == "passed"
    assert now.values("image encoder") == (None, 701, None, 0.15)
    assert now.verdict("image encoder") == "not run"
    assert now.reason("image encoder") == "no baseline was named"
    now = checked("ingest", phone("wrong.json", wrong))
    assert (now.status, now.verdict("masks of wrong.json")) == (1, "failed")
    assert now.reason("masks of wrong.json") == "wrong: box (IoU 0.300)"


def test_update_adds_the_device(known_phone, checked, phone):
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
    now = checked("ingest", phone("good.json"), "--baseline", known_phone)
    assert now.status == 0
    assert list(now.document["artifacts"]) == [f"tiny torchscript none on {DEVICE}"]
    assert now.values("artifact")[2:] == ("same", 0)
    assert now.values("image encoder") == (701, 701, 0, 0.15)
    assert now.lines["image encoder"]["unit"] == "ms"
    assert set(now.counts) == {"passed"}


def test_slower_phone(known_phone, checked, phone):
    path = phone("slow.json", slow_by(1.3))
    now = checked("ingest", path, "--baseline", known_phone)
    assert (now.status, now.document["verdict"]) == (1, "failed")
    assert now.values("image encoder") == pytest.approx((701, 912, 211 / 701, 0.15))
    assert now.verdict("image encoder") == "failed"
    assert now.verdict("mask decoder") == "passed"
    assert checked("ingest", path, "--baseline", known_phone, "--update").status == 0
    assert '"image_encoder": 912.0' in known_phone.read_text()


def test_hot_run_is_not_averaged_in(known_phone, checked, phone):
    paths = phone("good.json"), phone("hot.json", hot)
    now = checked("ingest", *paths, "--baseline", known_phone)
    assert now.status == 0
    assert now.values("times of hot.json") == (None, None, None, None)
    assert now.verdict("times of hot.json") == "invalid"
    assert now.reason("times of hot.json").startswith("the device slowed down for heat")
    assert now.values("image encoder") == (701, 701, 0, 0.15)
    assert now.verdict("image encoder") == "passed"


def test_only_hot_runs(known_phone, checked, phone):
    before = known_phone.read_text()
    path = phone("hot.json", hot)
    now = checked("ingest", path, "--baseline", known_phone, "--update")
    assert now.status == 0
    assert now.values("image encoder") == (701, None, None, 0.15)
    assert now.verdict("image encoder") == "invalid"
    assert now.reason("image encoder") == "no run has usable times"
    assert known_phone.read_text() == before


def test_several_runs_count_by_their_median(known_phone, checked, phone):
    paths = [phone(f"{factor}.json", slow_by(factor)) for factor in (1, 1.1, 5)]
    now = checked("ingest", *paths, "--baseline", known_phone)
    assert now.status == 0
    assert now.values("image encoder") == pytest.approx((701, 772, 71 / 701, 0.15))
    assert now.verdict("image encoder") == "passed"


@pytest.mark.parametrize(
    ("change", "device"),
    [
        (lambda d: d["device"].update(model="Pixel 9"), "Pixel 9, android 15, cpu, 4 threads"),
        (lambda d: d["device"].update(os_version="16.1"), "Pixel 8, android 16, cpu, 4 threads"),
        (lambda d: d["compute"].update(threads=1), "Pixel 8, android 15, cpu, 1 thread"),
    ],
)
def test_another_device_is_not_compared(known_phone, checked, phone, change, device):
    def change_all(document):
        slow_by(3)(document)
        change(document)

    path = phone("other.json", change_all)
    now = checked("ingest", path, "--baseline", known_phone)
    assert now.status == 0
    assert list(now.document["artifacts"]) == [f"tiny torchscript none on {device}"]
    assert now.verdict("image encoder") == "not run"
    assert now.reason("image encoder") == (
        "the baseline has no figures of this device: run with --update to add them"
    )


def test_minor_versions_are_one_system(known_phone, checked, phone):
    path = phone("patched.json", lambda document: document["device"].update(os_version="15.0.1"))
    now = checked("ingest", path, "--baseline", known_phone)
    assert (now.status, now.verdict("image encoder")) == (0, "passed")


def test_another_build_of_the_artifact(known_phone, checked, phone):
    def other_build(document):
        document["artifact"]["files"]["mobile_sam_tiny_mask_decoder.ptl"]["sha256"] = "0" * 64
        document["artifact"]["checkpoint_sha256"] = "1" * 64

    before = known_phone.read_text()
    arguments = ("ingest", phone("other.json", other_build), "--baseline", known_phone)
    for update in ((), ("--update",)):
        now = checked(*arguments, *update)
        assert (now.status, now.verdict("artifact")) == (1, "failed")
        assert now.values("artifact")[2:] == ("2 differ", 0)
        assert now.reason("artifact").startswith(
            "these differ from the baseline: mobile_sam_tiny_mask_decoder.ptl, the checkpoint; measure"
        )
        assert now.verdict("image encoder") == "not run"
        assert now.reason("image encoder") == "another artifact was measured"
    assert known_phone.read_text() == before


def test_wrong_masks_are_no_baseline(known_phone, checked, phone):
    before = known_phone.read_text()
    path = phone("wrong.json", wrong)
    now = checked("ingest", path, "--baseline", known_phone, "--update")
    assert (now.status, now.document["updated"]) == (1, False)
    assert known_phone.read_text() == before


def test_goldens_that_were_not_asked(known_phone, checked, phone):
    path = phone("few.json", lambda document: document["cases"].pop(0))
    now = checked("ingest", path, "--baseline", known_phone)
    assert (now.status, now.verdict("masks of few.json")) == (1, "failed")
    assert now.reason("masks of few.json") == "missing: one_point"


def test_app_that_crashed(known_phone, checked, phone):
    def crashed(document):
        document["milliseconds"]["mask_decoder"] = None
        document["memory"]["peak_after"] = document["after"] = None
        document["failure"] = "out of memory while it ran the mask decoder"

    path = phone("crashed.json", crashed)
    now = checked("ingest", path, "--baseline", known_phone)
    assert (now.status, now.verdict("times of crashed.json")) == (1, "failed")
    assert now.reason("times of crashed.json") == "out of memory while it ran the mask decoder"


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
def test_masks_that_prove_nothing(checked, phone, change, reason):
    now = checked("ingest", phone("vain.json", change))
    assert (now.status, now.document["verdict"]) == (1, "not proven")
    assert now.verdict("masks of vain.json") == "not proven"
    assert now.reason("masks of vain.json") == reason


def test_baseline_without_a_mask_proves_nothing(checked, baseline, phone):
    """This holds even if the phone's masks equal the golden masks. Nothing is written."""
    document = json.loads(baseline.read_text())
    (record,) = document["artifacts"].values()
    record["masks"] = dict.fromkeys(record["masks"], EMPTY)
    baseline.write_text(json.dumps(document))
    before = baseline.read_text()
    now = checked("ingest", phone("a.json"), "--baseline", baseline, "--update")
    assert (now.status, now.verdict("masks of a.json")) == (1, "not proven")
    assert now.reason("masks of a.json").startswith("nothing was proven: each golden mask is empty")
    assert baseline.read_text() == before
