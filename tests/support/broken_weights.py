"""Broken checkpoints of the tiny model: functions that each spoil its seeded weights in one way."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from reference.weights.checkpoint import resolve_checkpoint
from tests.support.tiny_variant import TINY

Weights = dict[str, Tensor]


def save_weights(path: Path, change: Callable[[Weights], None]) -> Path:
    """Apply ``change`` to the seeded weights, and write them to ``path``."""
    weights = {
        name: tensor.clone()
        for name, tensor in resolve_checkpoint("seeded", TINY).state_dict.items()
    }
    change(weights)
    torch.save(weights, path)
    return path


def diverge(weights: Weights) -> None:
    """Make weights so large that every answer is NaN, although the weights are finite in float32."""
    block = "image_encoder.layers.3.blocks.0.mlp"
    weights[f"{block}.fc1.weight"] *= 1e25
    weights[f"{block}.fc2.weight"] *= 1e20


def score_infinity(weights: Weights) -> None:
    """Make the scores overflow float32. The masks stay the same."""
    head = "mask_decoder.iou_prediction_head.layers"
    weights[f"{head}.1.bias"].fill_(1e30)
    weights[f"{head}.2.weight"].fill_(1e30)


def silence_a_channel(weights: Weights) -> None:
    """Set one running variance of a layer to 0. Its epsilon keeps all answers finite."""
    weights["image_encoder.patch_embed.seq.0.bn.running_var"][0] = 0


def draw_nothing(weights: Weights) -> None:
    """Zero all mask kernels, so that every logit is 0 and every mask is empty."""
    _zero(weights, "mask_decoder.output_hypernetworks_mlps")


def draw_no_single_mask(weights: Weights) -> None:
    """Zero the kernel of mask 0, so that only the three guesses are drawn."""
    _zero(weights, "mask_decoder.output_hypernetworks_mlps.0.")


def draw_no_guesses(weights: Weights) -> None:
    """Zero the kernels of the three guesses, so that only mask 0 is drawn."""
    for guess in (1, 2, 3):
        _zero(weights, f"mask_decoder.output_hypernetworks_mlps.{guess}.")


def score_alike(weights: Weights) -> None:
    """Make every score 0."""
    _zero(weights, "mask_decoder.iou_prediction_head")


def _zero(weights: Mapping[str, Tensor], head: str) -> None:
    """Zero the last layer of each head whose name starts with ``head``."""
    layers = [name for name in weights if name.startswith(head) and ".layers.2." in name]
    for name in layers:
        weights[name].zero_()
