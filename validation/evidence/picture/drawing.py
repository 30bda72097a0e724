"""The README's picture: two overlays of one photo, each with a label above it."""

import tempfile
from importlib import resources

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from converters.conversion import load_source, write_artifact
from converters.coreml.options import CoreMLOptions
from reference.photos.images import read_image
from reference.photos.overlay import draw_overlay, object_color
from reference.prompts import Prompt, normalize_prompts
from reference.segmentation import segment_objects
from validation.artifacts.artifact import load_artifact
from validation.engines.artifact_model import open_artifact
from validation.metrics import mask_iou

PHOTO = "flower.jpg"  # scikit-learn ships it
BOX = (165, 80, 450, 356)  # around the flower: x1, y1, x2, y2 in pixels
SCHEME = "int8"

BAND = 56  # height in pixels of the band that holds a label
GAP = 12  # pixels between the two halves
MARGIN = 14  # pixels between a label and the edge of its half
GROUND, INK, MUTED = (255, 255, 255), (24, 24, 27), (94, 94, 104)
TITLE_SIZE, DETAIL_SIZE = 26, 22
TINT = 0.4  # share of the overlay's color below the overlay, whose own tint is pale on an orange flower


def draw_picture() -> tuple[Image.Image, float]:
    """Draw the reference mask beside the mask of an int8 Core ML artifact, both of the demo weights.

    Returns:
        The RGB picture, and the IoU of the two masks.
    """
    photo = read_image(resources.files("sklearn.datasets.images") / PHOTO)
    prompts = normalize_prompts(bboxes=BOX, image_size=photo.shape[:2])
    source = load_source("demo")
    with tempfile.TemporaryDirectory() as folder:
        artifact = load_artifact(write_artifact(source, CoreMLOptions(SCHEME), folder))
        megabytes = artifact.size_bytes / 1e6
        reference, converted = (
            segment_objects(model, photo, prompts)[0].masks[0]
            for model in (source.sam, open_artifact(artifact))
        )
    iou = mask_iou(reference, converted)
    left = _labeled(photo, reference, prompts, "PyTorch reference", "float32")
    right = _labeled(
        photo,
        converted,
        prompts,
        f"Core ML {SCHEME}, {megabytes:.1f} MB",
        f"IoU with the reference {iou:.3f}",
    )
    return _side_by_side(left, right), iou


def _labeled(
    photo: np.ndarray, mask: np.ndarray, prompts: list[Prompt], title: str, detail: str
) -> Image.Image:
    tinted = photo.copy()
    tinted[mask] = (1 - TINT) * photo[mask] + TINT * np.array(object_color(0))
    overlay = draw_overlay(tinted, [mask], prompts)
    labeled = Image.new("RGB", (overlay.width, overlay.height + BAND), GROUND)
    labeled.paste(overlay, (0, BAND))
    draw = ImageDraw.Draw(labeled)
    title_at, detail_at = (MARGIN, BAND // 2), (labeled.width - MARGIN, BAND // 2)
    draw.text(title_at, title, INK, ImageFont.load_default(TITLE_SIZE), anchor="lm")
    draw.text(detail_at, detail, MUTED, ImageFont.load_default(DETAIL_SIZE), anchor="rm")
    return labeled


def _side_by_side(left: Image.Image, right: Image.Image) -> Image.Image:
    joined = Image.new("RGB", (left.width + GAP + right.width, left.height), GROUND)
    joined.paste(left, (0, 0))
    joined.paste(right, (left.width + GAP, 0))
    return joined
