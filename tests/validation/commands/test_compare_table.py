"""The tables that ``validate compare`` prints, of made-up comparisons with every kind of outcome."""

import json
from dataclasses import replace

import pytest

import validation.comparison.compare_artifacts
from converters.samples import SampleCase
from reference.common.plain_text import is_plain
from validation.artifacts.artifact import load_artifact
from validation.comparison.agreement import Agreement, StageLoss
from validation.comparison.conclusion import conclude
from validation.comparison.proof import NO_CHOICE, NO_MASK, Evidence
from validation.comparison.results import CaseResult
from validation.documents.verdicts import FAILED, NOT_PROVEN, NOT_RUN, PASSED, Unavailable
from validation.gates import Gates
from validation.inspection.drift import Drift
from validation.metrics import TensorDifference
from validation.questions.cases import GOLDEN, PHOTO
from validation.stages import STAGES

GATES = Gates(
    min_iou=0.92,
    min_hidden_iou=0.9,
    mean_iou=0.995,
    mean_boundary_iou=0.98,
    max_score_difference=0.01,
    min_same_choice=0.8,
    max_miou_lost=0.005,
    max_handful=0.0001,
    max_frame_difference=1,
    min_embeddings_sqnr=40,
    min_logits_sqnr=50,
)
POINT = {"points": ((320, 200),), "labels": (1,)}
BOX = {"box": (150, 90, 480, 330)}
LONG_PATH = "photos/2026-11-30/holiday by the sea/photo.png"
# Names that would forge lines, move the cursor, turn the text around, or be invisible, if they were not escaped.
HOSTILE = (
    "forged\nPASS: 9 of 9 cases",
    "\x1b[1A\x9b2Kgone",
    "\u202egnp.exe\u2066",
    "\ud800\u2028\u200b",
)


def difference(relative_l2, largest=0.0):
    not_finite = int(relative_l2 == float("inf"))
    return TensorDifference(40.0, 50.0, 0.99, relative_l2, largest, None, not_finite)


def made_up_case(name, photo="china", *, status=PASSED, prompt=BOX, iou=0.9876, **fields):
    """Return a case whose worst mask is the last of the four. No two cases have the same reference answer."""
    blank = (status == NOT_PROVEN,) * 4
    agreement = Agreement(
        mask_ious=(1.0, 1.0, 1.0, iou),
        differing_shares=(0.0, 0.0, 0.0, 0.1 if iou < 1 else 0.0),
        boundary_ious=(1.0, 1.0, 0.95, 1.0),
        area_changes=(0.0,) * 4,
        best_iou=1.0,
        shown_iou=fields.pop("shown_iou", 1.0),
        best_index=1,
        shown_index=1,
        score_difference=0.00123,
        logits=difference(0.01, 0.4567),
        blank=blank,
        truth_ious=None,
    )
    evidence = Evidence(
        is_finite=True,
        no_mask=NO_MASK if status == NOT_PROVEN else None,
        no_choice=fields.pop("no_choice", None),
        blank=blank,
        masks=ascii(name).encode(),
        scores=ascii(name).encode(),
        image_embeddings=ascii(photo).encode(),
    )
    losses = {"image_encoder": 0.0123, "mask_decoder": None}
    stages = tuple(
        StageLoss(
            stage, None if (loss := losses.get(stage, 0.0)) is None else 1 - loss, 1.0, 0, None
        )
        for stage in STAGES
    )
    case = SampleCase(name, photo, **prompt)
    kind = fields.pop("kind", GOLDEN)
    return CaseResult(case, photo, kind, status, (427, 640), agreement, evidence, stages, **fields)


def skipped_case(name, photo, reason):
    return CaseResult(SampleCase(name, photo, **BOX), photo, PHOTO, NOT_RUN, reasons=(reason,))


def made_up_drift(name, source, own, total):
    return Drift("mask_decoder", name, "linear", source, difference(own), difference(total))


@pytest.fixture
def comparisons(tiny_artifact, tiny_package):
    """Comparisons with the five verdicts, and one with hostile names."""
    script, package = load_artifact(tiny_artifact), load_artifact(tiny_package)
    demo = replace(script, checkpoint=replace(script.checkpoint, name="demo", trained=True))
    empty = made_up_case("box", status=NOT_PROVEN, reasons=(NO_MASK,), iou=1.0)
    no_weights = "the artifact was converted from 'mine.pt': pass --checkpoint"
    passed = [
        made_up_case("one_point", prompt=POINT, iou=1.0),
        made_up_case("equal_scores", "flower", prompt=POINT, iou=0.999, no_choice=NO_CHOICE),
        empty,
        made_up_case("central_box", LONG_PATH, iou=0.9999, kind=PHOTO),
    ]
    failed = [
        made_up_case("one_point", prompt=POINT, iou=0.9999, shown_iou=0.75),
        made_up_case(
            *("box", "flower"),
            status=FAILED,
            iou=0.5,
            reasons=("mask IoU 0.5000, gate 0.92", "score off by 0.0200, gate 0.01"),
            blamed="image_encoder",
        ),
        skipped_case("central_box", "photo.png", no_weights),
        skipped_case("other_box", "photo.png", no_weights),
    ]
    hostile = [
        made_up_case(name, name, status=FAILED, kind=PHOTO, reasons=(f"{name}: is wrong",))
        for name in HOSTILE
    ]
    drifts = (
        made_up_drift("neck", "", float("inf"), float("inf")),
        made_up_drift("mlp_1", "encoder.stages.1.mlp", 0.01234, 0.5),
    )
    return [
        conclude(
            *(demo, "lite interpreter of torch 2.7.1", GATES, passed),
            seconds={"image_encoder": 0.0456, "mask_decoder": 0.00789},
            drifts=drifts,
        ),
        conclude(
            *(package, "mil_runtime (declared numerics)", GATES, failed),
            seconds={"image_encoder": 1.5},
            drifts=Unavailable("the weights are not here"),
        ),
        conclude(script, "lite interpreter of torch 2.7.1", GATES, [empty, replace(empty)]),
        conclude(package, None, GATES, [skipped_case("box", "china", "Core ML needs a Mac")]),
        conclude(demo, "lite interpreter of torch 2.7.1", GATES, [passed[0], failed[2]]),
        conclude(
            *(script, HOSTILE[1], GATES, hostile, HOSTILE),
            drifts=(made_up_drift(HOSTILE[0], HOSTILE[2], 0.5, 0.5),),
        ),
    ]


def test_what_compare_prints(
    validate, golden_text, comparisons, tiny_artifact, tiny_package, tmp_path, monkeypatch
):
    def compare_artifacts(artifacts, *, on_result, **options):
        for comparison in comparisons:
            on_result(comparison)
        return comparisons

    monkeypatch.setattr(
        validation.comparison.compare_artifacts, "compare_artifacts", compare_artifacts
    )
    results, report = tmp_path / "results.json", tmp_path / "report"
    outputs = ("--json", results, "--report", report)
    status, out, err = validate("compare", tiny_artifact, tiny_package, *outputs)
    assert (status, err) == (1, "")
    assert [item["verdict"] for item in json.loads(results.read_text())["artifacts"]] == [
        *("passed", "failed", "not proven", "not run", "incomplete", "failed")
    ]
    assert all(map(is_plain, out.splitlines()))
    golden_text(out, "compare.txt", folder=str(tmp_path))
