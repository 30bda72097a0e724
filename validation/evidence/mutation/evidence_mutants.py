"""Models and goldens that prove nothing, because a broken artifact would agree with them.

A model's mutant has the same change in the reference, its goldens and the artifact, so that they do not
differ.
"""

import functools
import math

import torch
from torch import nn

from reference.modeling.sam import Sam
from validation.evidence.mutation.mutant import INTEGRITY, REFERENCE, GoldensMutant, ModelMutant

model = functools.partial(ModelMutant, format="torchscript", scheme="none", expected=REFERENCE)
goldens = functools.partial(GoldensMutant, format="torchscript", scheme="none", expected=INTEGRITY)


def mask_heads(sam: Sam) -> list[nn.Linear]:
    """Return the last layers of the networks that compute each mask's kernel."""
    return [last_linear(head) for head in sam.mask_decoder.output_hypernetworks_mlps]


def last_linear(module: nn.Module) -> nn.Linear:
    return [layer for layer in module.modules() if isinstance(layer, nn.Linear)][-1]


def fill(layer: nn.Module, weight: float, bias: float) -> None:
    nn.init.constant_(layer.weight, weight)
    nn.init.constant_(layer.bias, bias)


def draw_nan(sam: Sam) -> None:
    """Break mask 0, which answers boxes. The other masks are fed back, so their NaN would reach the scores."""
    fill(mask_heads(sam)[0], math.nan, math.nan)


def score_nan(sam: Sam) -> None:
    fill(last_linear(sam.mask_decoder.iou_prediction_head), math.nan, math.nan)


def score_infinity(sam: Sam) -> None:
    fill(last_linear(sam.mask_decoder.iou_prediction_head), 0, math.inf)


def draw_nothing(sam: Sam) -> None:
    for head in mask_heads(sam):
        fill(head, 0, 0)


def score_alike(sam: Sam) -> None:
    fill(last_linear(sam.mask_decoder.iou_prediction_head), 0, 0.5)


def ignore_photo(sam: Sam) -> None:
    """Make the neck return its last bias for every photo."""
    norms = [layer for layer in sam.image_encoder.neck.modules() if hasattr(layer, "weight")]
    with torch.no_grad():
        norms[-1].weight.zero_()


def keep_one_photo(document: dict) -> None:
    photo = document["cases"][0]["photo"]
    document["photos"] = {photo: document["photos"][photo]}
    document["cases"] = [case for case in document["cases"] if case["photo"] == photo]


def keep_one_case(document: dict) -> None:
    keep_one_photo(document)
    del document["cases"][1:]


EVIDENCE_MUTANTS = (
    model("model: mask of NaN", "every logit of mask 0 is NaN on both sides", change=draw_nan),
    model(
        "model: scores of NaN",
        "every score is NaN on both sides",
        change=score_nan,
        expected=INTEGRITY,
    ),
    model(
        "model: infinite scores",
        "every score is infinite on both sides",
        change=score_infinity,
        expected=INTEGRITY,
    ),
    model("model: no mask at all", "every mask is empty on both sides", change=draw_nothing),
    model("model: every score equal", "no mask is the best one", change=score_alike),
    model(
        "model: photo ignored", "the embeddings are the same for every photo", change=ignore_photo
    ),
    goldens(
        "goldens: one case",
        "a single case, so that nothing shows whether the next one is right",
        change=keep_one_case,
    ),
    goldens(
        "goldens: one photo",
        "a single photo, so that stale embeddings would go unnoticed",
        change=keep_one_photo,
    ),
)
