"""Engines: the real lite interpreter, Core ML through a stand-in, and the choice among them."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from converters.prompt_slots import SlotPrompt
from reference.common.errors import ArtifactError
from reference.prompts import Prompt
from reference.segmentation import segment_objects
from tests.support.compare_one import compare_one
from tests.support.requirements import off_the_mac
from validation import engines
from validation.artifacts.artifact import load_artifact
from validation.comparison.comparer import Comparer
from validation.documents.verdicts import Unavailable
from validation.engines import core_ml, engine_for
from validation.engines.artifact_model import ArtifactModel, open_artifact
from validation.engines.package_engine import frame_to_image
from validation.gates import read_gates


def largest(difference):
    return difference.abs().max().item()


# The lite interpreter


def test_lite_interpreter_runs_an_artifact(tiny_artifact, tiny_source):
    engine = engine_for(load_artifact(tiny_artifact))
    assert engine.name == f"lite interpreter of torch {torch.__version__.split('+')[0]}"
    frame = tiny_source.goldens.encoder_inputs()[0][0]
    image_embeddings = engine.encode(frame)
    assert largest(image_embeddings - tiny_source.sam.encode_image(frame)) < 1e-4
    case = tiny_source.goldens.cases[0]
    masks, scores = engine.decode(image_embeddings, case.prompt)
    assert largest(masks - case.low_res_masks) < 1e-3
    assert largest(scores - case.iou_predictions) < 1e-4


def test_file_that_the_interpreter_cannot_load(tiny_artifact, accept_files):
    (tiny_artifact / "mobile_sam_tiny_mask_decoder.ptl").write_bytes(b"not TorchScript" * 100)
    accept_files(tiny_artifact)
    with pytest.raises(ArtifactError, match=r"mask_decoder\.ptl: .* cannot run it .*convert again"):
        engine_for(load_artifact(tiny_artifact))


def test_files_in_each_others_place(tiny_artifact, accept_files):
    encoder = tiny_artifact / "mobile_sam_tiny_image_encoder.ptl"
    decoder = tiny_artifact / "mobile_sam_tiny_mask_decoder.ptl"
    encoder_bytes = encoder.read_bytes()
    encoder.write_bytes(decoder.read_bytes())
    decoder.write_bytes(encoder_bytes)
    accept_files(tiny_artifact)
    comparison = compare_one(tiny_artifact)
    assert (comparison.verdict, comparison.blamed) == ("failed", "image_encoder")
    assert {case.status for case in comparison.cases} == {"failed"}
    assert "image encoder: the lite interpreter" in comparison.cases[0].reason


# Core ML


class StandIn:
    """coremltools' MLModel as this project uses it, with the export modules for Core ML."""

    def __init__(self, path, modules):
        self.is_encoder = path.endswith("MobileSAMTinyImageEncoder.mlpackage")
        self.modules = modules

    def predict(self, data):
        if self.is_encoder:
            (image,) = data.values()
            assert list(data) == ["image"]
            assert isinstance(image, Image.Image)
            assert (image.mode, image.size) == ("RGB", (256, 256))
            frame = torch.from_numpy(np.array(image, np.float32)).permute(2, 0, 1)[None]
            return {"image_embeddings": self.modules.encode(frame).numpy()}
        assert {value.dtype for value in data.values()} == {np.dtype(np.float32)}
        tensors = {name: torch.from_numpy(value) for name, value in data.items()}
        image_embeddings = tensors.pop("image_embeddings")
        masks, scores = self.modules.decode(image_embeddings, SlotPrompt(**tensors))
        return {"iou_predictions": scores.numpy(), "low_res_masks": masks.numpy()}


class CoreMLStandIn:
    """Core ML of a Mac, whose models are stand-ins."""

    version = "15.1"

    def __init__(self, make_model):
        self._make_model = make_model

    def missing(self):
        return None

    def load(self, package, unit):
        return self._make_model(str(package))


def open_core_ml(artifact, make_model):
    return core_ml.open_engine(artifact, core_ml=CoreMLStandIn(make_model))


def test_core_ml_is_compared_where_it_is(tiny_package, tiny_gates, tiny_engine, monkeypatch):
    register(
        monkeypatch,
        core_ml=lambda artifact: open_core_ml(artifact, lambda path: StandIn(path, tiny_engine)),
    )
    comparison = Comparer(gates=read_gates(tiny_gates)).compare(load_artifact(tiny_package))
    assert comparison.engine == "Core ML of macOS 15.1 (all compute units)"
    # The stand-in computes exactly, and the padding of 8 bits is exact as well.
    for case in comparison.cases:
        assert case.agreement.logits.largest < 1e-4
        assert case.agreement.min_iou > 0.999


@off_the_mac
def test_core_ml_without_its_bridge_is_not_run(tiny_package):
    core_ml_without_bridge = core_ml.CoreML(system="darwin")
    engine = core_ml.open_engine(load_artifact(tiny_package), core_ml=core_ml_without_bridge)
    assert "lacks libcoremlpython" in engine.reason


def test_package_that_core_ml_refuses_to_load(tmp_path):
    package = tmp_path / "empty.mlpackage"
    package.mkdir()
    with pytest.raises(ArtifactError, match=r"empty\.mlpackage: Core ML cannot load it \(.+\)"):
        core_ml.CoreML().load(package, "all")


def test_package_that_core_ml_refuses_to_run(tiny_package, tiny_source):
    def refuse(data):
        raise Exception("You must build with macOS")

    engine = open_core_ml(load_artifact(tiny_package), lambda path: SimpleNamespace(predict=refuse))
    with pytest.raises(ArtifactError, match="image_encoder: Core ML cannot run it"):
        engine.encode(tiny_source.goldens.encoder_inputs()[0][0])


def test_package_with_outputs_of_other_names(tiny_package, tiny_source):
    model = SimpleNamespace(predict=lambda data: {"var_1": np.zeros(1)})
    engine = open_core_ml(load_artifact(tiny_package), lambda path: model)
    with pytest.raises(ArtifactError, match="no output image_embeddings: it gives var_1"):
        engine.encode(tiny_source.goldens.encoder_inputs()[0][0])


def test_frame_becomes_an_image_by_rounding():
    frame = torch.tensor([-3.0, 0.4, 123.675, 300.0]).reshape(1, 1, 2, 2).repeat(1, 3, 1, 1)
    frame[0, 1] += 1
    pixels = np.asarray(frame_to_image(frame))
    assert pixels.shape == (2, 2, 3)
    assert pixels[..., 0].tolist() == [[0, 0], [124, 255]]
    assert pixels[..., 1].tolist() == [[0, 1], [125, 255]]


# The runtime for ML Programs


def test_packages_run_without_core_ml(tiny_package, tiny_source, tiny_engine):
    frame = tiny_source.goldens.encoder_inputs()[0][0].round()
    case = tiny_source.goldens.cases[0]
    expected = tiny_engine.encode(frame)
    for numerics, limit in (("", 1e-4), ("-float32", 1e-4), ("-float64", 1e-4)):
        engine = engine_for(load_artifact(tiny_package), f"mil_runtime{numerics}")
        assert engine.name == f"mil_runtime ({numerics[1:] or 'declared'} numerics)"
        assert largest(engine.encode(frame) - expected) < limit
        masks, scores = engine.decode(expected, case.prompt)
        wanted_masks, wanted_scores = tiny_engine.decode(expected, case.prompt)
        assert largest(masks - wanted_masks) < 10 * limit
        assert largest(scores - wanted_scores) < limit


def test_package_that_the_runtime_cannot_load(tiny_package, accept_files):
    package = tiny_package / "MobileSAMTinyMaskDecoder.mlpackage"
    (weights,) = package.rglob("weight.bin")
    weights.write_bytes(weights.read_bytes()[:-1000])
    accept_files(tiny_package)
    with pytest.raises(ArtifactError, match="cut off; .*convert the artifact again"):
        engine_for(load_artifact(tiny_package), "mil_runtime")


# The choice


@pytest.mark.usefixtures("no_core_ml")
def test_core_ml_elsewhere_is_not_run(tiny_package):
    reason = "Core ML runs on macOS only: run the artifact on a Mac"
    artifact = load_artifact(tiny_package)
    assert engine_for(artifact, "core_ml") == Unavailable(reason)
    with pytest.raises(ArtifactError, match=f"NOT RUN: {reason}"):
        open_artifact(artifact, "core_ml")
    assert engine_for(artifact).name == "mil_runtime (declared numerics)"


def test_engine_of_another_format_is_refused(tiny_artifact):
    with pytest.raises(ArtifactError, match="'mil_runtime' does not run the format 'torchscript'"):
        engine_for(load_artifact(tiny_artifact), "mil_runtime")


def test_engine_that_does_not_exist_is_refused(tiny_artifact):
    with pytest.raises(
        ArtifactError, match="there is no engine 'nope': expected one of lite_inter"
    ):
        engine_for(load_artifact(tiny_artifact), "nope")


def register(monkeypatch, **engines_by_name):
    """Functions as the only engines for Core ML."""
    openers = {
        name: lambda open_engine=open_engine: open_engine
        for name, open_engine in engines_by_name.items()
    }
    monkeypatch.setitem(engines.ENGINES, "coreml", openers)


def test_first_engine_that_is_there_runs(tiny_package, tiny_engine, monkeypatch):
    register(
        monkeypatch,
        absent=lambda artifact: Unavailable("no such chip"),
        present=lambda artifact: tiny_engine,
        other=lambda artifact: pytest.fail("asked although there is an engine"),
    )
    artifact = load_artifact(tiny_package)
    assert engine_for(artifact) is tiny_engine
    assert engine_for(artifact, "absent") == Unavailable("no such chip")


def test_all_reasons_are_given(tiny_package, monkeypatch):
    register(
        monkeypatch,
        absent=lambda artifact: Unavailable("no such chip"),
        missing=lambda artifact: Unavailable("not installed"),
    )
    assert engine_for(load_artifact(tiny_package)).reason == "no such chip; not installed"


# An artifact as a model


def test_several_objects_are_decoded_one_after_the_other(tiny_artifact, tiny_source):
    sam, model = tiny_source.sam, open_artifact(load_artifact(tiny_artifact))
    image_embeddings = sam.encode_image(tiny_source.goldens.encoder_inputs()[1][0])
    coords = torch.tensor([[[30.0, 40], [50, 60]], [[100, 90], [20, 10]]])
    points = coords, torch.tensor([[1, 0], [1, 1]])
    boxes = torch.tensor([[10.0, 20, 100, 120], [5, 5, 50, 60]])
    masks = torch.linspace(-5, 5, 2 * 64 * 64).reshape(2, 1, 64, 64)
    for prompts in (
        (points, None, None),
        (None, boxes, None),
        (points, boxes, masks),
        (None, None, None),
    ):
        expected = sam.decode_prompts(image_embeddings, *prompts)
        answers = model.decode_prompts(image_embeddings, *prompts)
        for answer, wanted in zip(answers, expected, strict=True):
            assert answer.shape == wanted.shape
            assert largest(answer - wanted) < 1e-3


@pytest.mark.parametrize("part", ["encode", "decode"])
def test_outputs_of_a_wrong_shape(tiny_artifact, tiny_engine, china, part, monkeypatch):
    artifact = load_artifact(tiny_artifact)
    encode, decode = tiny_engine.encode, tiny_engine.decode
    cut = {
        "encode": lambda frame: encode(frame)[:, :, 1:],
        "decode": lambda *inputs: tuple(output[:, :3] for output in decode(*inputs)),
    }
    monkeypatch.setattr(tiny_engine, part, cut[part])
    model = ArtifactModel(tiny_engine, artifact)
    with pytest.raises(ArtifactError, match="of shape .*: expected .*; convert again"):
        segment_objects(model, china, [Prompt(box=np.array([160, 100, 480, 320.0]))])
