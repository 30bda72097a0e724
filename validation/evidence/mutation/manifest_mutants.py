"""Mistakes in the manifest that mislead an app."""

import functools

from validation.evidence.mutation.mutant import ManifestMutant
from validation.stages import IMAGE_ENCODER, MASK_DECODER, MASK_RESIZE, PREPROCESSING

manifest = functools.partial(ManifestMutant, format="torchscript", scheme="none")
coreml_manifest = functools.partial(ManifestMutant, format="coreml", scheme="fp16")


def say_black(document: dict) -> None:
    document["preprocessing"]["padding_rgb"] = [0, 0, 0]


def say_half(document: dict) -> None:
    document["masks"]["threshold"] = 0.5


def say_fewer_slots(document: dict) -> None:
    document["prompt_slots"] -= 1


def exchange_components(document: dict) -> None:
    components = document["components"]
    encoder, decoder = components["image_encoder"], components["mask_decoder"]
    encoder["file"], decoder["file"] = decoder["file"], encoder["file"]


MANIFEST_MUTANTS = (
    manifest(
        "manifest: padding black",
        "the padding color that apps read",
        change=say_black,
        expected=PREPROCESSING,
    ),
    manifest(
        "manifest: threshold 0.5",
        "the threshold of probabilities, applied to logits",
        change=say_half,
        expected=MASK_RESIZE,
    ),
    coreml_manifest(
        "manifest: a slot too few",
        "seven slots, while the graph has eight",
        change=say_fewer_slots,
        expected=MASK_DECODER,
    ),
    manifest(
        "manifest: components exchanged",
        "each file in the place of the other",
        change=exchange_components,
        expected=IMAGE_ENCODER,
    ),
)
