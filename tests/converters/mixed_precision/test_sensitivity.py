"""The measured losses tell what the masks lose."""

import pytest
import torch

from converters.mixed_precision.allocation import Layer
from converters.mixed_precision.sensitivity import measure_losses
from converters.quantization.quantized_weight import replaced_weights
from converters.quantization.rounding import round_weight
from converters.quantization.weight_formats import Integers, Palette
from converters.quantization.weight_matrix import large_layers

FORMATS = (Palette(2), Palette(4), Integers(8))


@pytest.fixture(scope="module")
def setting(tiny_source):
    """Return the two modules, what is asked about the photos, and the rounded weights."""
    calibrations = tiny_source.calibrations
    encoder, decoder = (calibrations[name].module for name in ("image_encoder", "mask_decoder"))
    frames, prompts = (calibrations[name].inputs for name in ("image_encoder", "mask_decoder"))
    each = len(prompts) // len(frames)
    photos = [
        (frame, prompts[index * each : (index + 1) * each]) for index, (frame,) in enumerate(frames)
    ]
    rounded = {
        Layer(name, path): {
            weight_format: round_weight(layer, weight_format, calibration.moments[path])
            for weight_format in FORMATS
        }
        for name, calibration in calibrations.items()
        for path, layer in large_layers(calibration.module).items()
    }
    return encoder, decoder, photos, rounded


@pytest.fixture(scope="module")
def losses(setting):
    return measure_losses(*setting)


def test_fewer_bits_cost_more(setting, losses):
    *_, rounded = setting
    assert losses.keys() == rounded.keys()
    for layer, of in losses.items():
        assert of[Palette(2)] > of[Integers(8)] >= 0, layer
    two, four, eight = (sum(of[each] for of in losses.values()) for each in FORMATS)
    assert two > 4 * four > 16 * eight


@torch.no_grad()
def test_losses_tell_which_layer_costs_the_masks_most(setting, losses):
    """The masks of a model with one layer in four bits change as much as the loss of the layer says."""
    encoder, decoder, photos, rounded = setting
    modules = {"image_encoder": encoder, "mask_decoder": decoder}

    def answers():
        return [
            decoder(encoder(frame), *prompt[1:]) for frame, prompts in photos for prompt in prompts
        ]

    exact = answers()
    predicted, found = [], []
    for layer, formats in rounded.items():
        with replaced_weights(modules[layer.component], {layer.path: formats[Palette(4)]}):
            changed = answers()
        lost = 0.0
        for (logits, scores), (wanted, wanted_scores) in zip(changed, exact, strict=True):
            areas = (wanted > 0).sum((2, 3), keepdim=True).clamp(min=64)
            weights = 4 * wanted.sigmoid() * (1 - wanted.sigmoid()) / areas
            lost += ((logits - wanted).square() * weights).sum().item()
            lost += (scores - wanted_scores).square().sum().item()
        predicted.append(losses[layer][Palette(4)])
        found.append(lost / len(exact))
    predicted, found = torch.tensor([predicted, found]).log2()
    assert torch.corrcoef(torch.stack([predicted, found]))[0, 1] > 0.9
    assert (predicted - found).abs().max() < 2


def test_two_measurements_agree_and_leave_the_modules_as_they_were(setting, losses):
    encoder, decoder, *_ = setting
    flags = [weight.requires_grad for weight in (*encoder.parameters(), *decoder.parameters())]
    assert measure_losses(*setting) == losses
    assert flags == [
        weight.requires_grad for weight in (*encoder.parameters(), *decoder.parameters())
    ]
