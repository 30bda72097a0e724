"""The inputs and outputs of the two exported modules, declared once for tracing, packaging and checking."""

from dataclasses import dataclass

from reference.mask_choice import NUM_MASKS
from reference.modeling.variants import Variant

LABEL_BACKGROUND, LABEL_OBJECT, LABEL_BOX_TOP_LEFT, LABEL_BOX_BOTTOM_RIGHT = range(4)
LABEL_EMPTY_SLOT = -2
DEFAULT_PROMPT_SLOTS = 8


@dataclass(frozen=True)
class TensorSpec:
    """One input or output tensor, with the facts that an app needs to fill or read it."""

    name: str
    shape: tuple[int, ...]
    range: str
    meaning: str
    dtype: str = "float32"


@dataclass(frozen=True)
class ModuleSpec:
    """One exported module."""

    name: str
    summary: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


def _embeddings(variant: Variant) -> TensorSpec:
    side = variant.embedding_size
    return TensorSpec(
        "image_embeddings",
        (1, variant.embedding_dim, side, side),
        range="real",
        meaning="The photo's embeddings: computed once per photo, given to the mask decoder with every prompt.",
    )


def image_encoder_spec(variant: Variant) -> ModuleSpec:
    """Return the specification of the image encoder, from a padded photo to image embeddings."""
    size = variant.image_size
    return ModuleSpec(
        name="image_encoder",
        summary="Photo to image embeddings. Run once per photo.",
        inputs=(
            TensorSpec(
                "image",
                (1, 3, size, size),
                range="0…255",
                meaning=(
                    f"RGB photo, resized so that its longest side is {size} (bilinear, antialiased, sides rounded "
                    "half up), placed top left, padded right and below with the mean colour. Not normalised: "
                    "the model does that."
                ),
            ),
        ),
        outputs=(_embeddings(variant),),
    )


def mask_decoder_spec(variant: Variant, prompt_slots: int) -> ModuleSpec:
    """Return the specification of the mask decoder, from image embeddings and prompt slots to masks and scores."""
    side = variant.mask_size
    return ModuleSpec(
        name="mask_decoder",
        summary="Image embeddings and prompts to masks. Run once per prompt.",
        inputs=(
            _embeddings(variant),
            TensorSpec(
                "point_coords",
                (1, prompt_slots, 2),
                range=f"0…{variant.image_size}",
                meaning="x, then y, in pixels of the padded frame; 0, 0 in an empty slot.",
            ),
            TensorSpec(
                "point_labels",
                (1, prompt_slots),
                range="-2, 0, 1, 2, 3",
                meaning=(
                    "1 object point, 0 background point, 2 and 3 a box's top-left and bottom-right corner, "
                    "-2 empty slot."
                ),
            ),
            TensorSpec(
                "mask_input",
                (1, 1, side, side),
                range="logits",
                meaning="low_res_masks[:, i] of an earlier answer for the same photo, or zeros.",
            ),
            TensorSpec(
                "has_mask_input",
                (1,),
                range="0 or 1",
                meaning="1 if mask_input is to be used, 0 if there is none.",
            ),
        ),
        outputs=(
            TensorSpec(
                "low_res_masks",
                (1, NUM_MASKS, side, side),
                range="logits, object where > 0",
                meaning=(
                    "Mask logits over the padded frame: 0 answers an unambiguous prompt, 1…3 are three guesses for "
                    "an ambiguous one, such as a single point."
                ),
            ),
            TensorSpec(
                "iou_predictions",
                (1, NUM_MASKS),
                range="about 0…1",
                meaning="The model's own estimate of each mask's IoU: its score.",
            ),
        ),
    )
