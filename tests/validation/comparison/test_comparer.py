"""A sound artifact passes a comparison, an unsound one fails, and a case that did not run is NOT RUN."""

import json
import multiprocessing
import shutil
import threading
from dataclasses import replace

import pytest
import torch

import validation.comparison.comparer
import validation.questions.live_reference
from converters.conversion import source_of, write_artifact
from converters.coreml import schemes as coreml_schemes
from converters.torchscript import options as torchscript_options
from converters.torchscript.options import TorchScriptOptions
from reference.common.errors import ArtifactError, CheckpointError, ImageError, PromptError
from reference.modeling.sam import Sam
from reference.photos.preprocessing import threshold_masks
from reference.weights.checkpoint import Checkpoint
from reference.weights.checkpoint_file import sha256_of_file
from reference.weights.official_names import official_layout
from reference.weights.seeded_weights import seeded_state_dict
from tests.support.compare_one import compare_one
from validation import compare_artifacts
from validation.artifacts.artifact import load_artifact
from validation.comparison.comparer import Comparer
from validation.comparison.document import comparison_document
from validation.comparison.table import format_comparison
from validation.engines.base import EngineDiedError
from validation.gates import read_gates
from validation.questions.cases import Question
from validation.questions.prompt_matrix import built_in_questions
from validation.report.verdict import meaning_of
from validation.stages import IMAGE_ENCODER, MASK_DECODER, STAGES

GOLDENS, PHOTOS = 7, 5  # cases that are asked here


def few_built_in_questions(slots):
    """A part of the built-in photos, to save time."""
    return built_in_questions(slots, ("coffee", "rocket_portrait"))


@pytest.fixture(autouse=True)
def few_photos(monkeypatch):
    monkeypatch.setattr(
        validation.comparison.comparer, "built_in_questions", few_built_in_questions
    )


def outcomes(comparison):
    return [(case.kind, case.status) for case in comparison.cases]


def test_sound_artifact_passes(tiny_artifact):
    comparison = compare_one(tiny_artifact)
    assert comparison.verdict == "passed"
    assert outcomes(comparison) == [("golden", "passed")] * GOLDENS + [("photo", "passed")] * PHOTOS
    assert comparison.summary.mean_iou > 0.9995
    for case in comparison.cases:
        assert len(case.agreement.mask_ious) == 4
        assert case.agreement.min_iou <= case.agreement.best_iou
        assert case.agreement.logits.largest < 1e-3
        assert case.reason is None
    assert {case.photo for case in comparison.cases[GOLDENS:]} == {"coffee", "rocket_portrait"}
    json.dumps(comparison_document([comparison]), allow_nan=False)


def test_quick_comparison_asks_about_the_goldens_without_the_reference(tiny_artifact, monkeypatch):
    monkeypatch.setattr(validation.comparison.comparer, "find_reference", None)
    comparison = compare_one(tiny_artifact, quick=True)
    assert comparison.verdict == "passed"
    assert outcomes(comparison) == [("golden", "passed")] * GOLDENS
    (record,) = comparison_document([comparison])["artifacts"]
    assert record["quick"] is True
    verdict = f"PASS (quick: about the goldens only): {GOLDENS} of {GOLDENS} cases passed"
    assert any(line.startswith(verdict) for line in format_comparison(comparison))
    assert "compare it without --quick" in meaning_of(
        replace(comparison, artifact=trained(comparison.artifact))
    )


def trained(artifact):
    return replace(artifact, checkpoint=replace(artifact.checkpoint, trained=True))


def test_quick_comparison_fails_a_wrong_decoder(tiny_engine, tiny_artifact, monkeypatch):
    decode = tiny_engine.decode
    monkeypatch.setattr(tiny_engine, "decode", lambda *inputs: empty_masks(*decode(*inputs)))
    monkeypatch.setattr(validation.comparison.comparer, "open_first", lambda *_: tiny_engine)
    comparison = compare_one(tiny_artifact, quick=True)
    assert comparison.verdict == "failed"
    assert any(line.startswith("FAIL (quick") for line in format_comparison(comparison))


def test_quick_comparison_refuses_what_needs_the_reference(tiny_artifact):
    with pytest.raises(PromptError, match="--quick with --checkpoint, --drift: expected --quick"):
        compare_one(tiny_artifact, quick=True, checkpoint="seeded", drift=True)


def without_seconds(comparison):
    return {**comparison_document([comparison])["artifacts"][0], "seconds": None}


def test_second_comparison_has_the_same_numbers_without_asking_the_reference(
    tiny_artifact, tiny_package, monkeypatch, tmp_path
):
    monkeypatch.setenv("MOBILE_SAM_CACHE", str(tmp_path))
    folders = [tiny_artifact, tiny_package]
    first = [without_seconds(item) for item in compare_artifacts(folders, cache=True)]

    def ask(*_):
        raise AssertionError("the reference is asked again")

    monkeypatch.setattr(Sam, "encode_image", ask)
    monkeypatch.setattr(Sam, "decode_prompts", ask)
    again = [without_seconds(item) for item in compare_artifacts(folders, cache=True)]
    assert again == first
    monkeypatch.undo()
    monkeypatch.setattr(
        validation.comparison.comparer, "built_in_questions", few_built_in_questions
    )
    assert [without_seconds(item) for item in compare_artifacts(folders)] == first


@pytest.fixture
def two_threads():
    """Engines in processes run side by side if torch has several threads, whatever this machine has."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_engines_side_by_side_give_the_same_numbers_in_the_same_order(tiny_artifact, tiny_package):
    folders = [tiny_package, tiny_artifact, tiny_package]
    here = [without_seconds(item) for item in compare_artifacts(folders)]
    seen = []
    isolated = compare_artifacts(folders, time_limit=60, on_result=seen.append)
    assert [without_seconds(item) for item in isolated] == here
    assert seen == isolated
    assert multiprocessing.active_children() == []


@pytest.mark.usefixtures("two_threads")
def test_interruption_ends_all_engines(tiny_artifact, tiny_package):
    seen = []

    def interrupt(comparison):
        seen.append(comparison)
        raise KeyboardInterrupt

    folders = [tiny_artifact, tiny_package, tiny_package]
    with pytest.raises(KeyboardInterrupt):
        compare_artifacts(folders, time_limit=60, on_result=interrupt)
    assert len(seen) == 1
    assert multiprocessing.active_children() == []
    assert not [thread for thread in threading.enumerate() if "ThreadPool" in thread.name]


@pytest.mark.usefixtures("two_threads")
def test_error_about_a_later_artifact_waits_for_its_turn(tiny_artifact, tiny_package):
    """It runs at the same time, but the artifacts before it get their results first."""
    seen = []
    with pytest.raises(ArtifactError, match="does not run the format 'coreml'"):
        compare_artifacts(
            [tiny_artifact, tiny_package],
            engines="lite_interpreter",
            time_limit=60,
            on_result=seen.append,
        )
    assert [comparison.verdict for comparison in seen] == ["passed"]
    assert multiprocessing.active_children() == []


@pytest.fixture
def other_source(tiny_source):
    """A tiny model whose mask decoder has other weights than the seeded ones."""
    sam = Sam(tiny_source.sam.variant).eval()
    sam.load_state_dict(tiny_source.sam.state_dict())
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in sam.mask_decoder.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, parameter[0].numel() ** -0.5)
    checkpoint = Checkpoint("seeded", tiny_source.checkpoint.sha256, False, {})
    return source_of(sam, checkpoint)


def test_decoder_of_another_model_fails(tiny_artifact, other_source, accept_files, tmp_path):
    other = write_artifact(other_source, TorchScriptOptions("none"), tmp_path / "other")
    shutil.copy(other / "mobile_sam_tiny_mask_decoder.ptl", tiny_artifact)
    accept_files(tiny_artifact)
    comparison = compare_one(tiny_artifact)
    assert comparison.verdict == "failed"
    assert {case.status for case in comparison.cases} == {"failed"}
    assert comparison.summary.mean_iou < 0.9


def test_goldens_do_not_excuse_a_wrong_model(other_source, tiny_model, tmp_path):
    """The artifact agrees with its goldens, but it was not made from the checkpoint that its manifest names."""
    comparison = compare_one(write_artifact(other_source, TorchScriptOptions("none"), tmp_path))
    assert min(case.agreement.min_iou for case in comparison.cases[:GOLDENS]) > 0.999
    assert (comparison.verdict, comparison.blamed) == ("failed", "mask_decoder")
    assert {case.status for case in comparison.cases} == {"failed"}


# Mutants of the outputs, with the export modules as the engine


def one_nan(masks, scores):
    masks[0, 3, 0, 0] = float("nan")
    return masks, scores


def all_nan(masks, scores):
    return masks * float("nan"), scores


def rotate_guesses(masks, scores):
    return masks[:, [0, 2, 3, 1]], scores


def wrong_score(masks, scores):
    return masks, scores + torch.tensor([0, 0, 0.01, 0])


def nan_score(masks, scores):
    return masks, scores * float("nan")


def probabilities(masks, scores):
    return masks.sigmoid(), scores


def empty_masks(masks, scores):
    return masks.clamp(max=0), scores


def shifted(masks, scores):
    return masks.roll(1, dims=3), scores


def transposed(masks, scores):
    return masks.transpose(2, 3), scores


def compare_with(engine, folder, monkeypatch):
    monkeypatch.setattr(validation.comparison.comparer, "open_first", lambda *_: engine)
    monkeypatch.setattr(validation.comparison.comparer, "built_in_questions", lambda slots: [])
    return compare_one(folder)


def test_engine_of_the_mutants_is_sound(tiny_artifact, tiny_engine, monkeypatch):
    assert compare_with(tiny_engine, tiny_artifact, monkeypatch).verdict == "passed"


@pytest.mark.parametrize(
    "mutate",
    [
        one_nan,
        all_nan,
        rotate_guesses,
        wrong_score,
        nan_score,
        probabilities,
        empty_masks,
        shifted,
        transposed,
    ],
)
def test_mutants_fail(tiny_artifact, tiny_engine, monkeypatch, mutate):
    decode = tiny_engine.decode
    monkeypatch.setattr(tiny_engine, "decode", lambda *inputs: mutate(*decode(*inputs)))
    comparison = compare_with(tiny_engine, tiny_artifact, monkeypatch)
    assert comparison.verdict == "failed"
    assert {case.status for case in comparison.cases} == {"failed"}
    assert all(case.reason for case in comparison.cases)
    json.dumps(comparison_document([comparison]), allow_nan=False)


def test_mask_prompt_that_is_ignored_fails(tiny_artifact, tiny_engine, monkeypatch):
    decode = tiny_engine.decode

    def forget_mask(image_embeddings, prompt):
        prompt.has_mask_input.zero_()
        return decode(image_embeddings, prompt)

    monkeypatch.setattr(tiny_engine, "decode", forget_mask)
    comparison = compare_with(tiny_engine, tiny_artifact, monkeypatch)
    failed = [case.name for case in comparison.cases if case.status == "failed"]
    assert failed == ["mask_refine"]


def test_wrong_padding_fails(tiny_artifact, tiny_engine, edit_manifest, monkeypatch):
    black = {"padding_rgb": [0, 0, 0]}
    edit_manifest(tiny_artifact, lambda document: document["preprocessing"].update(black))
    assert compare_with(tiny_engine, tiny_artifact, monkeypatch).verdict == "failed"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"mean_iou": 1.1}, "mean mask IoU 1.0000, gate 1.1"),
        ({"mean_boundary_iou": 1.1}, "mean boundary IoU 1.0000, gate 1.1"),
        ({"min_same_choice": 1.1}, "the best of three masks is the same one for 100% of"),
    ],
)
def test_means_have_gates_of_their_own(tiny_artifact, changed, reason):
    gates = read_gates()
    gates["torchscript"]["none"] = replace(gates["torchscript"]["none"], **changed)
    comparison = Comparer(gates=gates).compare(load_artifact(tiny_artifact))
    assert {case.status for case in comparison.cases} == {"passed"}
    assert comparison.verdict == "failed"
    assert comparison.failures[0].startswith(reason)


def test_every_scheme_has_gates():
    gates = read_gates()
    assert set(gates["torchscript"]) == {*torchscript_options.SCHEMES, "auto"}
    assert set(gates["coreml"]) == set(coreml_schemes.ALL_SCHEMES)


def test_scheme_without_gates_is_refused(tiny_artifact, edit_manifest):
    edit_manifest(tiny_artifact, lambda document: document.update(scheme="int2"))
    with pytest.raises(ArtifactError, match="no gates for scheme 'int2'"):
        compare_one(tiny_artifact)


# Blame, and what it is about


def test_stages_of_a_sound_artifact_lose_nothing(tiny_artifact):
    comparison = compare_one(tiny_artifact)
    assert comparison.blamed is None
    for case in comparison.cases:
        assert [loss.stage for loss in case.stages] == list(STAGES)
        assert all(loss.own_iou > 0.999 and loss.chained_iou > 0.999 for loss in case.stages)
    assert all(loss < 1e-3 for loss in comparison.summary.stage_losses.values())


def fault_in(part, monkeypatch, tiny_engine):
    if part == "encode":
        encode = tiny_engine.encode
        monkeypatch.setattr(tiny_engine, "encode", lambda frame: encode(frame).transpose(2, 3))
    else:
        decode = tiny_engine.decode
        monkeypatch.setattr(tiny_engine, "decode", lambda *inputs: rotate_guesses(*decode(*inputs)))


@pytest.mark.parametrize(("part", "stage"), [("encode", IMAGE_ENCODER), ("decode", MASK_DECODER)])
def test_blame_falls_on_the_stage_that_is_wrong(
    tiny_artifact, tiny_engine, monkeypatch, part, stage
):
    fault_in(part, monkeypatch, tiny_engine)
    comparison = compare_with(tiny_engine, tiny_artifact, monkeypatch)
    assert comparison.blamed == stage
    assert {case.blamed for case in comparison.cases} == {stage}


@pytest.mark.parametrize(("part", "stage"), [("encode", IMAGE_ENCODER), ("decode", MASK_DECODER)])
def test_blame_falls_on_the_right_stage_without_the_weights(
    of_a_file, tiny_engine, monkeypatch, part, stage
):
    """Without the weights, the embeddings and logits that the goldens store show which stage is to blame."""
    fault_in(part, monkeypatch, tiny_engine)
    comparison = compare_with(tiny_engine, of_a_file, monkeypatch)
    assert (comparison.verdict, comparison.blamed) == ("failed", stage)
    assert comparison.summary.stage_losses["image_encoder"] is None


def test_another_choice_of_mask_is_told_from_drift(tiny_artifact, tiny_engine, monkeypatch):
    decode = tiny_engine.decode

    def prefer_others(*inputs):
        masks, scores = decode(*inputs)
        return masks, scores[:, [0, 2, 3, 1]]

    monkeypatch.setattr(tiny_engine, "decode", prefer_others)
    comparison = compare_with(tiny_engine, tiny_artifact, monkeypatch)
    point = comparison.cases[0].agreement
    assert not point.same_choice
    assert point.drift_loss < 1e-3 < point.flip_loss
    assert point.shown_iou == pytest.approx(1 - point.drift_loss - point.flip_loss)
    assert comparison.summary.same_choice == 0
    assert any("best of three masks is the same one for 0%" in text for text in comparison.failures)


def test_engine_that_dies_fails_its_artifact(tiny_artifact, tiny_engine, monkeypatch):
    def die(*inputs):
        raise EngineDiedError("mask decoder: the engine crashed (SIGSEGV)")

    monkeypatch.setattr(tiny_engine, "decode", die)
    comparison = compare_with(tiny_engine, tiny_artifact, monkeypatch)
    assert (comparison.verdict, comparison.blamed) == ("failed", "mask_decoder")
    assert "(SIGSEGV)" in comparison.cases[0].reason


def test_artifact_that_cannot_be_loaded_fails(tiny_artifact, accept_files):
    (tiny_artifact / "mobile_sam_tiny_mask_decoder.ptl").write_bytes(b"not TorchScript" * 100)
    accept_files(tiny_artifact)
    comparison = compare_one(tiny_artifact)
    assert (comparison.verdict, comparison.engine) == ("failed", None)
    assert "cannot run it" in comparison.failures[0]
    assert {case.status for case in comparison.cases} == {"not run"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda d: d["prompts"]["labels"].update(object_point=0), "as prompts.labels.object_point"),
        (
            lambda d: d["preprocessing"].update(mean=[0, 0, 0]),
            "as preprocessing.mean: expected [123.",
        ),
        (lambda d: d["preprocessing"].update(channels="BGR, 0…255"), "as preprocessing.channels"),
        (lambda d: d["masks"].update(multimask_indices=[0, 1, 2]), "expected [1, 2, 3]"),
        (lambda d: d["masks"].pop("single_mask_index"), "states null as masks.single_mask_index"),
        (
            lambda d: d["masks"].update(single_mask_index=False),
            "states false as masks.single_mask_index: expected 0",
        ),
        (
            lambda d: d["masks"].update(multimask_indices=[True, 2, 3]),
            "states [true, 2, 3] as masks.multimask_indices",
        ),
        (
            lambda d: d["components"]["mask_decoder"]["outputs"].reverse(),
            "as components.mask_decoder.outputs",
        ),
        (
            lambda d: d["components"]["image_encoder"]["inputs"][0].update(name="photo"),
            'expected [["image", [1, 3, 256, 256], "float32"]]',
        ),
    ],
)
def test_manifest_that_misleads_apps_fails(tiny_artifact, edit_manifest, change, expected):
    edit_manifest(tiny_artifact, change)
    comparison = compare_one(tiny_artifact)
    assert {case.status for case in comparison.cases} == {"passed"}
    assert comparison.verdict == "failed"
    (failure,) = comparison.failures
    assert expected in failure


# True masks


@pytest.fixture
def with_truth(tiny_source, china):
    """A question whose true mask is what the reference draws."""
    case = next(c.sample for c in tiny_source.goldens.cases if c.sample.name == "box")
    answer = next(c for c in tiny_source.goldens.cases if c.sample.name == "box")
    truth = threshold_masks(answer.low_res_masks, china.shape[:2], 256)[0, 0].numpy()
    return Question("photo", "china", lambda: china, (case,), {"box": truth})


def test_true_masks_tell_what_the_artifact_loses(
    tiny_artifact, tiny_engine, with_truth, monkeypatch
):
    sound = Comparer(prompts=[with_truth]).compare(load_artifact(tiny_artifact))
    assert sound.verdict == "passed"
    assert sound.cases[-1].agreement.truth_ious == pytest.approx((1, 1), abs=1e-3)
    assert sound.summary.miou_lost == pytest.approx(0, abs=1e-3)

    decode = tiny_engine.decode
    monkeypatch.setattr(tiny_engine, "decode", lambda *inputs: empty_masks(*decode(*inputs)))

    monkeypatch.setattr(validation.comparison.comparer, "open_first", lambda *_: tiny_engine)
    broken = Comparer(prompts=[with_truth]).compare(load_artifact(tiny_artifact))
    assert broken.summary.miou_lost == pytest.approx(1, abs=1e-3)
    assert any("lower than with the reference, gate" in text for text in broken.failures)


# The checkpoint


@pytest.fixture
def checkpoint_path(tiny_sam, tmp_path):
    path = tmp_path / "mine.pt"
    torch.save(seeded_state_dict(official_layout(tiny_sam)), path)
    return path


@pytest.fixture
def of_a_file(tiny_artifact, checkpoint_path, edit_manifest):
    """An artifact that was converted from the file ``checkpoint_path``."""
    entry = {"name": "mine.pt", "sha256": sha256_of_file(checkpoint_path), "trained": True}
    edit_manifest(tiny_artifact, lambda document: document.update(checkpoint=entry))
    return tiny_artifact


def test_photos_without_the_checkpoint_are_not_run(of_a_file):
    comparison = compare_one(of_a_file)
    assert comparison.verdict == "incomplete"
    assert comparison.proven == "7 of 7 goldens and 0 of 5 cases about other photos"
    assert (
        outcomes(comparison) == [("golden", "passed")] * GOLDENS + [("photo", "not run")] * PHOTOS
    )
    (reason,) = comparison.not_run_reasons
    assert "converted from 'mine.pt': pass --checkpoint" in reason


def test_photos_with_the_checkpoint_run(of_a_file, checkpoint_path):
    comparison = compare_one(of_a_file, checkpoint=checkpoint_path)
    assert {case.status for case in comparison.cases} == {"passed"}
    assert comparison.verdict == "passed"


def test_quick_comparison_without_the_checkpoint_is_complete(of_a_file):
    comparison = compare_one(of_a_file, quick=True)
    assert comparison.verdict == "passed"
    assert comparison.proven == "7 of 7 goldens"


def test_failure_outranks_what_was_not_run(of_a_file, tiny_engine, monkeypatch):
    decode = tiny_engine.decode
    monkeypatch.setattr(tiny_engine, "decode", lambda *inputs: empty_masks(*decode(*inputs)))
    monkeypatch.setattr(validation.comparison.comparer, "open_first", lambda *_: tiny_engine)
    failed = compare_one(of_a_file)
    assert (failed.verdict, failed.count("not run")) == ("failed", PHOTOS)


def test_reference_is_not_loaded_if_all_its_answers_are_stored(
    of_a_file, checkpoint_path, monkeypatch, tmp_path
):
    monkeypatch.setenv("MOBILE_SAM_CACHE", str(tmp_path / "cache"))
    first = compare_one(of_a_file, checkpoint=checkpoint_path, cache=True)

    def load(*_):
        raise AssertionError("the reference is loaded")

    monkeypatch.setattr(validation.questions.live_reference, "load_reference", load)
    again = compare_one(of_a_file, checkpoint=checkpoint_path, cache=True)
    assert again.verdict == "passed"
    assert without_seconds(again) == without_seconds(first)


def test_own_photos_need_the_checkpoint(of_a_file):
    with pytest.raises(ArtifactError, match="photos cannot be compared: .*--checkpoint"):
        compare_one(of_a_file, images=[of_a_file / "goldens" / "china.png"])


def test_checkpoint_of_another_artifact_is_refused(of_a_file, tmp_path, tiny_sam):
    other = tmp_path / "other.pt"
    weights = seeded_state_dict(official_layout(tiny_sam))
    weights["mask_decoder.iou_token.weight"] += 1
    torch.save(weights, other)
    with pytest.raises(ArtifactError, match="converted from weights of SHA-256 .*'other.pt' has"):
        compare_one(of_a_file, checkpoint=other)
    with pytest.raises(CheckpointError, match="no checkpoint"):
        compare_one(of_a_file, checkpoint=tmp_path / "none.pt")


def test_seeded_weights_of_another_version_is_refused(tiny_artifact, edit_manifest):
    edit_manifest(tiny_artifact, lambda document: document["checkpoint"].update(sha256="0" * 64))
    with pytest.raises(ArtifactError, match="'seeded' has .*convert again"):
        compare_one(tiny_artifact)


def test_official_weights_that_cannot_be_had(tiny_artifact, edit_manifest):
    edit_manifest(tiny_artifact, lambda document: document["checkpoint"].update(name="official"))
    comparison = compare_one(tiny_artifact)
    assert comparison.verdict == "incomplete"
    assert comparison.count("passed") == GOLDENS
    assert comparison.count("not run") == PHOTOS
    with pytest.raises(CheckpointError, match="has no official checkpoint"):
        compare_one(tiny_artifact, images=[tiny_artifact / "goldens" / "china.png"])


# Photos and prompts


def test_own_photos_are_compared_too(tiny_artifact):
    path = tiny_artifact / "goldens" / "flower_portrait.png"
    comparison = compare_one(tiny_artifact, images=[path])
    own = comparison.cases[GOLDENS + PHOTOS :]
    assert [(case.name, case.photo, case.status) for case in own] == [
        ("central_point", str(path), "passed"),
        ("central_box", str(path), "passed"),
    ]


def test_prompts_that_the_artifact_has_no_slots_for_are_not_run(tiny_artifact, tmp_path):
    shutil.copy(tiny_artifact / "goldens" / "flower_portrait.png", tmp_path / "flower.png")
    cases = [
        {"name": "one", "points": [[200, 300]], "labels": [1]},
        {"name": "nine", "points": [[200, 300]] * 9, "labels": [1] * 9},
        {"name": "refined", "points": [[200, 300]], "labels": [1], "mask_from": "nine"},
    ]
    path = tmp_path / "prompts.json"
    document = {"schema": "mobile-sam-export/prompts/1"}
    path.write_text(json.dumps({**document, "photos": [{"image": "flower.png", "cases": cases}]}))
    comparison = compare_one(tiny_artifact, prompts=path)
    own = [(case.name, case.status) for case in comparison.cases[GOLDENS + PHOTOS :]]
    assert own == [("one", "passed"), ("nine", "not run"), ("refined", "not run")]
    assert comparison.verdict == "incomplete"
    (reason,) = comparison.not_run_reasons
    assert "takes more than the 8 prompt slots of the artifact" in reason


def test_bad_photo_is_refused(tiny_artifact):
    with pytest.raises(ImageError, match="not an image"):
        compare_one(tiny_artifact, images=[tiny_artifact / "manifest.json"])


def test_artifact_with_a_single_slot_is_not_asked_about_boxes(tiny_source, tiny_model, tmp_path):
    source = source_of(tiny_source.sam, tiny_source.checkpoint, prompt_slots=1)
    comparison = compare_one(write_artifact(source, TorchScriptOptions("none"), tmp_path))
    names = {case.name for case in comparison.cases}
    assert names == {"one_point", "mask_refine", "portrait_point", "spoon", "rocket_point"}
    assert comparison.verdict == "passed"


def test_sound_package_passes(tiny_package, tiny_gates):
    """The package runs in mil_runtime, which is available on any system."""
    gates = read_gates(tiny_gates)
    comparison = Comparer(gates=gates).compare(load_artifact(tiny_package), "mil_runtime")
    assert comparison.engine == "mil_runtime (declared numerics)"
    assert comparison.verdict == "passed"
    assert outcomes(comparison) == [("golden", "passed")] * GOLDENS + [("photo", "passed")] * PHOTOS


# What cannot be run


@pytest.mark.usefixtures("no_core_ml")
def test_core_ml_without_core_ml_is_not_run(tiny_package):
    comparison = compare_one(tiny_package, engine="core_ml")
    assert comparison.verdict == "not run"
    assert comparison.engine is comparison.summary is None
    assert (
        outcomes(comparison) == [("golden", "not run")] * GOLDENS + [("photo", "not run")] * PHOTOS
    )
    assert comparison.not_run_reasons == ("Core ML runs on macOS only: run the artifact on a Mac",)


@pytest.mark.usefixtures("no_core_ml")
def test_verdict_on_several_is_failed_if_any_failed(
    tiny_package, tiny_artifact, tiny_engine, monkeypatch
):
    not_run, passed = (
        compare_one(tiny_package, engine="core_ml"),
        compare_one(tiny_artifact),
    )
    assert comparison_document([not_run])["verdict"] == "not run"
    assert comparison_document([not_run, passed])["verdict"] == "incomplete"
    assert comparison_document([passed, passed])["verdict"] == "passed"
    decode = tiny_engine.decode
    monkeypatch.setattr(tiny_engine, "decode", lambda *inputs: all_nan(*decode(*inputs)))
    failed = compare_with(tiny_engine, tiny_artifact, monkeypatch)
    document = comparison_document([not_run, failed, passed])
    assert document["verdict"] == "failed"
    assert [entry["verdict"] for entry in document["artifacts"]] == ["not run", "failed", "passed"]
