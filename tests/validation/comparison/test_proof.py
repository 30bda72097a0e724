"""Agreement with a reference that draws no mask, or always the same one, proves nothing."""

import json

import numpy as np
import pytest
import torch

import validation.comparison.comparer
import validation.engines.artifact_model
from converters.conversion import load_source, write_artifact
from converters.torchscript.options import TorchScriptOptions
from reference.modeling.sam import Sam
from tests.support import broken_weights
from validation.artifacts.artifact import load_artifact
from validation.comparison.comparer import Comparer
from validation.comparison.document import comparison_document
from validation.comparison.golden_proof import unproven_by_goldens
from validation.evidence.mutation.evidence_mutants import score_nan
from validation.questions.live_reference import LiveReference

GOLDENS = 7


@pytest.fixture(autouse=True)
def few_photos(monkeypatch):
    """Ask about a part of the built-in photos, to save time."""
    questions = validation.comparison.comparer.built_in_questions
    monkeypatch.setattr(
        validation.comparison.comparer,
        "built_in_questions",
        lambda slots: questions(slots, ("coffee",)),
    )


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (broken_weights.draw_nothing, "nothing was proven in any case: each mask of the reference"),
        (broken_weights.score_alike, "nothing was proven of the scores: "),
        (broken_weights.draw_no_single_mask, "nothing was proven of the single mask: "),
        (broken_weights.draw_no_guesses, "nothing was proven of the three guesses: "),
    ],
)
def test_constant_model_converts_and_proves_nothing(
    validate, tiny_model, tmp_path, change, expected
):
    checkpoint = broken_weights.save_weights(tmp_path / "broken.pt", change)
    source = load_source(checkpoint, tiny_model)
    folder = write_artifact(source, TorchScriptOptions("int8"), tmp_path / "artifacts")
    status, out, err = validate("compare", folder, "--checkpoint", checkpoint, "--json", "-")
    document = json.loads(out)
    (comparison,) = document["artifacts"]
    assert (status, err) == (1, "")
    assert document["verdict"] == comparison["verdict"] == "not proven"
    assert comparison["unproven"][0].startswith(expected)
    no_choice = [case["no_evidence"]["choice"] for case in comparison["cases"]]
    assert any(no_choice) is (change is broken_weights.score_alike)
    # An app's test has nothing but the goldens.
    assert unproven_by_goldens(load_artifact(folder))[0].startswith(expected)


def test_sound_model_proves_everything(tiny_artifact):
    assert unproven_by_goldens(load_artifact(tiny_artifact)) == []
    comparison = Comparer().compare(load_artifact(tiny_artifact))
    assert comparison.verdict == "passed"
    assert {case.evidence.no_choice for case in comparison.cases} == {None}


@pytest.fixture
def compare_goldens(tiny_artifact, tiny_engine, accept_files, monkeypatch):
    """Change the masks of both sides, and compare with the stored answers only."""
    decode = tiny_engine.decode
    stored = json.loads((tiny_artifact / "goldens" / "goldens.json").read_text())["cases"]

    def compare(names, masks=lambda masks: masks, scores=lambda scores: scores):
        changed = [case["point_coords"] for case in stored if case["name"] in names]
        for name in names:
            path = tiny_artifact / "goldens" / f"{name}.low_res_masks.f32"
            masks(torch.from_numpy(np.fromfile(path, "<f4"))).numpy().tofile(path)
        accept_files(tiny_artifact)

        def answer(image_embeddings, prompt):
            logits, iou_predictions = decode(image_embeddings, prompt)
            if prompt.point_coords[0].tolist() in changed:
                return masks(logits), scores(iou_predictions)
            return logits, iou_predictions

        monkeypatch.setattr(tiny_engine, "decode", answer)
        monkeypatch.setattr(validation.comparison.comparer, "open_first", lambda *_: tiny_engine)
        return Comparer(quick=True).compare(load_artifact(tiny_artifact))

    return compare


def statuses(comparison):
    return {case.name: case.status for case in comparison.cases if case.kind == "golden"}


@pytest.mark.parametrize("logit", [-1.0, 1.0])  # no mask at all; the whole photo
def test_case_without_a_mask_is_no_evidence_and_not_counted(compare_goldens, logit):
    comparison = compare_goldens(
        ["portrait_box", "portrait_point"], lambda masks: torch.full_like(masks, logit)
    )
    found = statuses(comparison)
    assert {name for name, status in found.items() if status == "not proven"} == {
        "portrait_box",
        "portrait_point",
    }
    assert comparison.verdict == "passed"
    assert comparison.count("passed") == GOLDENS - 2
    case = next(case for case in comparison.cases if case.name == "portrait_box")
    assert case.agreement.mask_ious == (1, 1, 1, 1)
    assert case.agreement.blank == (True, True, True, True)
    (artifact,) = comparison_document([comparison])["artifacts"]
    assert artifact["counts"]["not proven"] == 2
    record = next(case for case in artifact["cases"] if case["name"] == "portrait_box")
    assert record["no_evidence"]["masks"].startswith("each mask of the reference is empty")


def test_empty_masks_do_not_raise_the_mean(compare_goldens):
    def first_only(masks):
        return torch.cat([masks[:, :1], torch.full_like(masks[:, 1:], -1)], 1)

    changed = ["box", "points_and_negative", "portrait_box", "portrait_point"]
    comparison = compare_goldens(
        changed, lambda masks: first_only(masks.reshape(1, 4, 64, 64)).reshape(masks.shape)
    )
    assert comparison.verdict == "passed"
    ious = []
    for case in comparison.cases:
        if case.agreement:
            evident = 1 if case.name in changed else 4
            assert case.agreement.mask_ious[evident:] == (1,) * (4 - evident)
            ious += case.agreement.mask_ious[:evident]
    assert len(ious) == len(changed) + 4 * (GOLDENS - len(changed))
    assert comparison.summary.mean_iou == pytest.approx(sum(ious) / len(ious), abs=1e-12)


def test_one_side_alone_is_no_agreement(tiny_artifact, tiny_engine, monkeypatch):
    decode = tiny_engine.decode
    monkeypatch.setattr(
        tiny_engine, "decode", lambda *inputs: (decode(*inputs)[0] * 0 - 1, decode(*inputs)[1])
    )
    monkeypatch.setattr(validation.comparison.comparer, "open_first", lambda *_: tiny_engine)
    comparison = Comparer().compare(load_artifact(tiny_artifact))
    assert (comparison.verdict, comparison.blamed) == ("failed", "mask_decoder")


# What is not finite


def spoil_mask(value):
    def spoil(masks):
        masks = masks.clone(memory_format=torch.contiguous_format)
        masks.view(-1)[5] = value
        return masks

    return spoil


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_logit_that_is_not_finite_on_both_sides_fails(compare_goldens, value):
    comparison = compare_goldens(["box"], spoil_mask(value))
    assert comparison.verdict == "failed"
    assert statuses(comparison)["box"] == "failed"
    case = next(case for case in comparison.cases if case.name == "box")
    assert case.reasons[0] == "the reference itself answers with NaN or infinity"
    assert case.blamed is None
    assert case.agreement.mask_ious[0] == 0
    assert case.agreement.mask_ious[1] == 1
    json.dumps(comparison_document([comparison]), allow_nan=False)


def test_embeddings_of_nan_on_both_sides_fail(
    tiny_artifact, tiny_engine, edit_manifest, accept_files, monkeypatch
):
    """The comparison fails although the masks are sound."""
    edit_manifest(tiny_artifact, lambda document: document["checkpoint"].update(name="mine.pt"))
    path = tiny_artifact / "goldens" / "china.image_embeddings.f32"
    sound = torch.from_numpy(np.fromfile(path, "<f4")).reshape(1, 64, 16, 16)
    np.full(sound.shape, np.nan, "<f4").tofile(path)
    accept_files(tiny_artifact)
    encode, decode = tiny_engine.encode, tiny_engine.decode

    def spoiled(frame):
        embeddings = encode(frame)
        return (
            embeddings * float("nan")
            if torch.allclose(embeddings, sound, atol=1e-3)
            else embeddings
        )

    def repaired(embeddings, prompt):
        return decode(embeddings if embeddings.isfinite().all() else sound, prompt)

    monkeypatch.setattr(tiny_engine, "encode", spoiled)
    monkeypatch.setattr(tiny_engine, "decode", repaired)
    monkeypatch.setattr(validation.comparison.comparer, "open_first", lambda *_: tiny_engine)
    comparison = Comparer().compare(load_artifact(tiny_artifact))
    assert comparison.verdict == "failed"
    failed = {case.photo for case in comparison.cases if case.status == "failed"}
    assert failed == {"china"}


def test_scores_of_nan_on_both_sides_fail(tiny_artifact, tiny_source, monkeypatch, tiny_engine):
    """The stored scores in goldens.json are finite. The reference that runs now answers with NaN."""
    sam = Sam(tiny_source.sam.variant).eval()
    sam.load_state_dict(tiny_source.sam.state_dict())
    with torch.no_grad():
        score_nan(sam)
    monkeypatch.setattr(
        validation.comparison.comparer,
        "find_reference",
        lambda *_: LiveReference(sam.variant, lambda: sam),
    )
    decode = tiny_engine.decode
    monkeypatch.setattr(
        tiny_engine,
        "decode",
        lambda *inputs: (decode(*inputs)[0], decode(*inputs)[1] * float("nan")),
    )
    monkeypatch.setattr(validation.comparison.comparer, "open_first", lambda *_: tiny_engine)
    comparison = Comparer().compare(load_artifact(tiny_artifact))
    assert {case.status for case in comparison.cases} == {"failed"}
    assert comparison.summary.max_score_difference == float("inf")


# Goldens


def one_case(document):
    one_photo(document)
    del document["cases"][1:]


def one_photo(document):
    document["cases"] = [case for case in document["cases"] if case["photo"] == "china"]
    del document["photos"]["flower_portrait"]


@pytest.mark.parametrize("change", [one_case, one_photo])
def test_too_few_goldens_are_refused(refuses, tiny_artifact, accept_files, change):
    path = tiny_artifact / "goldens" / "goldens.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    accept_files(tiny_artifact)
    refuses("2 or more, about 2 photos or more", "compare", tiny_artifact)


# Single answers


@pytest.mark.parametrize("as_json", [True, False])
@pytest.mark.parametrize("spoiled", ["encode", "masks", "scores"])
def test_show_refuses_what_is_not_finite(
    refuses, tiny_artifact, tiny_engine, monkeypatch, tmp_path, spoiled, as_json
):
    encode, decode = tiny_engine.encode, tiny_engine.decode
    if spoiled == "encode":
        monkeypatch.setattr(tiny_engine, "encode", lambda frame: encode(frame) * float("nan"))
    else:
        factors = (float("inf"), 1) if spoiled == "masks" else (1, float("nan"))
        monkeypatch.setattr(
            tiny_engine,
            "decode",
            lambda *inputs: tuple(
                tensor * factor for tensor, factor in zip(decode(*inputs), factors, strict=True)
            ),
        )
    monkeypatch.setattr(validation.engines.artifact_model, "engine_for", lambda *_: tiny_engine)
    photo = tiny_artifact / "goldens" / "china.png"
    output = ("--output", tmp_path / "overlay.png")
    arguments = ("show", tiny_artifact, photo, "--point", "300,200", *output)
    refuses("numbers that are NaN or infinite", *arguments, *(["--json"] if as_json else []))
