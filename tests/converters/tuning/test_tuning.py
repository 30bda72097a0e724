"""``convert --tune``: what floats learn, and what happens when it is interrupted."""

import json

import pytest
import torch

from converters.component_tuning import tuned
from converters.conversion import FORMATS, write_artifact
from converters.coreml.options import CoreMLOptions
from converters.format import Component
from converters.io_spec import image_encoder_spec, mask_decoder_spec
from converters.options import format_options
from converters.quantization.quantized_weight import replaced_weights
from converters.quantization.weight_formats import Integers, Palette
from converters.quantization.weight_matrix import large_layers
from converters.torchscript.options import TorchScriptOptions
from converters.tuning.lessons import Lessons
from converters.tuning.loss import answer_loss
from reference.common.cache import CACHE_VARIABLE
from reference.common.errors import ConversionError, OutputError

SLOTS = 8
STEPS = 24


@pytest.fixture
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv(CACHE_VARIABLE, str(folder))
    return folder


def components_of(source, format_name):
    sam = source.sam
    specs = image_encoder_spec(sam.variant), mask_decoder_spec(sam.variant, SLOTS)
    return [
        Component(
            FORMATS[format_name].modules[spec.name](sam).eval(),
            spec,
            [],
            source.calibrations[spec.name],
        )
        for spec in specs
    ]


def plan_of(components, weight_format):
    return {
        component.spec.name: dict.fromkeys(large_layers(component.module), weight_format)
        for component in components
    }


def run(components, plan, frame, prompts):
    """Return the answers of components whose large weights are stored as planned."""
    encoder, decoder = components
    rounded = {
        component: component.calibration.round_weights(component.module, plan[component.spec.name])
        for component in components
    }
    with (
        torch.no_grad(),
        replaced_weights(encoder.module, rounded[encoder]),
        replaced_weights(decoder.module, rounded[decoder]),
    ):
        embeddings = encoder.module(frame)
        return [decoder.module(embeddings, *prompt) for prompt in prompts]


def losses(components, plan, lessons, steps):
    """Return the loss of each picture, without and with the quantization of the plan."""
    encoder, decoder = components
    for step in steps:
        frame = lessons.picture(step)
        with torch.no_grad():
            embeddings = encoder.calibration.module(frame)
            teach = decoder.calibration.module
            prompts = lessons.prompts(step, lambda prompt: teach(embeddings, *prompt)[0])  # noqa: B023
            wanted = [teach(embeddings, *prompt) for prompt in prompts]
        found = run(components, plan, frame, prompts)
        yield sum(map(answer_loss, found, wanted)).item() / len(found)


@pytest.mark.parametrize("weight_format", [Integers(4, 32), Palette(4)], ids=str)
def test_answers_come_closer_to_those_of_the_float_model(tiny_source, cache, weight_format):
    components = components_of(tiny_source, "coreml")
    plan = plan_of(components, weight_format)
    frames = [frame for (frame,) in tiny_source.calibrations["image_encoder"].inputs]
    lessons = Lessons(frames, tiny_source.sam.variant.mask_size, SLOTS)
    unseen = range(1000, 1006)
    before = list(losses(components, plan, lessons, unseen))
    with tuned(components, plan, {}, STEPS, lambda step: None) as learned:
        after = list(losses(learned, plan, lessons, unseen))
    assert sum(after) < 0.95 * sum(before)


def test_every_format_learns_the_same(tiny_source, cache):
    """The modules of the formats hold some parameters in other shapes, times a constant, or repeated."""
    found = {}
    frame, prompt = (
        tiny_source.calibrations[name].inputs[0] for name in ("image_encoder", "mask_decoder")
    )
    for name in FORMATS:
        components = components_of(tiny_source, name)
        plan = plan_of(components, Integers(4, 32))
        with tuned(components, plan, {"format": name}, 3, lambda step: None) as learned:
            ((found[name], _),) = run(learned, plan, *frame, [prompt[1:]])
    ((plain, _),) = run(components, plan, *frame, [prompt[1:]])
    difference = (found["coreml"] - found["torchscript"]).abs().max()
    assert difference < 0.2 * (found["coreml"] - plain).abs().max()


def test_a_tuning_that_was_interrupted_goes_on_and_gives_the_same_files(
    tiny_source, tmp_path, cache
):
    options = TorchScriptOptions("int8", tune=STEPS)
    steps = []

    def interrupt(step):
        steps.append(step)
        if step == f"tuning 15 of {STEPS}":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_artifact(tiny_source, options, tmp_path / "first", on_step=interrupt)
    assert not (tmp_path / "first").exists()
    steps.clear()
    resumed = write_artifact(tiny_source, options, tmp_path / "resumed", on_step=steps.append)
    assert f"tuning 10 of {STEPS}" not in steps
    assert f"tuning 11 of {STEPS}" in steps
    whole = write_artifact(tiny_source, options, tmp_path / "whole", on_step=steps.append)
    assert f"tuning 1 of {STEPS}" in steps  # the state was removed with the first artifact
    assert (resumed / "manifest.json").read_bytes() == (whole / "manifest.json").read_bytes()
    assert json.loads((whole / "manifest.json").read_text())["calibration"]["tuning_steps"] == STEPS


def test_a_state_that_cannot_be_read_is_named(tiny_source, tmp_path, cache):
    options = TorchScriptOptions("int8", tune=STEPS)

    def interrupt(step):
        if step == f"tuning 11 of {STEPS}":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_artifact(tiny_source, options, tmp_path, on_step=interrupt)
    (state,) = (cache / "tuning").iterdir()
    state.write_bytes(b"damaged")
    with pytest.raises(ConversionError, match=rf"'{state}' cannot be read .*: remove it to tune"):
        write_artifact(tiny_source, options, tmp_path)


def test_a_cache_that_cannot_be_written_is_refused_before_the_first_step(
    tiny_source, tmp_path, cache
):
    cache.write_text("a file where a folder has to be")
    steps = []
    options = TorchScriptOptions("int8", tune=STEPS)
    with pytest.raises(OutputError, match=f"cannot keep the state .* set {CACHE_VARIABLE}"):
        write_artifact(tiny_source, options, tmp_path / "artifacts", on_step=steps.append)
    assert not any(step.startswith("tuning") for step in steps)
    assert not (tmp_path / "artifacts").exists()


def test_a_mixture_is_tuned_and_keeps_its_size(tiny_source, tmp_path, cache):
    manifests = [
        json.loads(
            (
                write_artifact(tiny_source, options, tmp_path / str(options.tune)) / "manifest.json"
            ).read_text()
        )
        for options in (
            CoreMLOptions("auto", "iOS18", max_size=820_000, tune=tune) for tune in (0, 2)
        )
    ]
    formats, sizes = (
        [
            {name: entry[key] for name, entry in manifest["components"].items()}
            for manifest in manifests
        ]
        for key in ("weights", "bytes")
    )
    assert formats[0] == formats[1]
    assert sum(sizes[1].values()) <= 820_000
    assert manifests[0]["files"] != manifests[1]["files"]


@pytest.mark.parametrize(
    ("format_name", "scheme", "steps", "expected"),
    [
        ("coreml", "fp16", 10, "tune with the scheme 'fp16', whose weights are floats"),
        ("torchscript", "none", 10, "tune with the scheme 'none', whose weights are floats"),
        ("coreml", "int8", -1, "tune -1: expected 0 to 10000 steps"),
        ("torchscript", "int8", 10_001, "tune 10001: expected 0 to 10000 steps"),
    ],
)
def test_tunings_that_make_no_sense_are_refused(format_name, scheme, steps, expected):
    with pytest.raises(ConversionError, match=expected):
        format_options(format_name, scheme, tune=steps)


def test_pictures_and_prompts_depend_only_on_the_step(tiny_source):
    frames = [frame for (frame,) in tiny_source.calibrations["image_encoder"].inputs]
    first, second = (Lessons(frames, 64, SLOTS) for _ in range(2))

    def answer(prompt):
        return torch.zeros(1, 4, 64, 64)

    for step in (0, 1, 7):
        assert torch.equal(first.picture(step), second.picture(step))
        assert first.picture(step).shape == frames[0].shape
        pairs = zip(first.prompts(step, answer), second.prompts(step, answer), strict=True)
        assert all(map(torch.equal, *pair) for pair in pairs)
    assert not torch.equal(first.picture(1), first.picture(13))


def test_prompts_fit_a_single_slot(tiny_source):
    frames = [frame for (frame,) in tiny_source.calibrations["image_encoder"].inputs]
    prompts = Lessons(frames, 64, 1).prompts(0, lambda prompt: torch.zeros(1, 4, 64, 64))
    assert {tuple(coords.shape) for coords, *_ in prompts} == {(1, 1, 2)}
