"""Checkpoints of the tiny model that are broken: its seeded weights, changed."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from reference.weights.checkpoint import resolve_checkpoint
from tests.support.tiny_variant import TINY

Weights = dict[str, Tensor]


def save_weights(path: Path, change: Callable[[Weights], None]) -> Path:
    """Write the seeded weights as ``change`` leaves them."""
    weights = {
        name: tensor.clone()
        for name, tensor in resolve_checkpoint("seeded", TINY).state_dict.items()
    }
    change(weights)
    torch.save(weights, path)
    return path


def diverge(weights: Weights) -> None:
    """Finite in float32, and too large to be computed with: every answer is NaN."""
    block = "image_encoder.layers.3.blocks.0.mlp"
    weights[f"{block}.fc1.weight"] *= 1e25
    weights[f"{block}.fc2.weight"] *= 1e20


def score_infinity(weights: Weights) -> None:
    """Masks as they were; only the scores leave float32."""
    head = "mask_decoder.iou_prediction_head.layers"
    weights[f"{head}.1.bias"].fill_(1e30)
    weights[f"{head}.2.weight"].fill_(1e30)


def silence_a_channel(weights: Weights) -> None:
    """A running variance of 0, in one layer: its epsilon keeps all answers finite."""
    weights["image_encoder.patch_embed.seq.0.bn.running_var"][0] = 0


def draw_nothing(weights: Weights) -> None:
    """Mask kernels of zeros: every logit is 0, and every mask is empty."""
    _zero(weights, "mask_decoder.output_hypernetworks_mlps")


def draw_no_single_mask(weights: Weights) -> None:
    """Only the three guesses are drawn."""
    _zero(weights, "mask_decoder.output_hypernetworks_mlps.0.")


def draw_no_guesses(weights: Weights) -> None:
    """Only the single mask is drawn."""
    for guess in (1, 2, 3):
        _zero(weights, f"mask_decoder.output_hypernetworks_mlps.{guess}.")


def score_alike(weights: Weights) -> None:
    """Scores of 0."""
    _zero(weights, "mask_decoder.iou_prediction_head")


def _zero(weights: Mapping[str, Tensor], head: str) -> None:
    """The last layer of a head, or of each of several."""
    layers = [name for name in weights if name.startswith(head) and ".layers.2." in name]
    for name in layers:
        weights[name].zero_()
