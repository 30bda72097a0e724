"""Drawing scenes on a contact sheet, each picture beside a copy with its masks."""

import math

import numpy as np
from PIL import Image
from torch import Tensor

from reference.photos.overlay import draw_overlay
from reference.scenes.scenes import Scenes

GAP = 8  # pixels between pictures


def draw_contact_sheet(scenes: Scenes) -> Image.Image:
    """Arrange all pictures of ``scenes`` in rows and columns on white.

    Whole objects are drawn before parts, so that the outlines of the parts are visible.
    """
    count, height, width = scenes.images.shape[0], *scenes.images.shape[2:]
    columns = max(1, round(math.sqrt(count / 2)))
    rows = math.ceil(count / columns)
    cell_width, cell_height = 2 * width + 2 * GAP, height + GAP
    sheet = Image.new("RGB", (columns * cell_width, rows * cell_height), "white")
    for index in range(count):
        left, top = index % columns * cell_width, index // columns * cell_height
        picture = _to_array(scenes.images[index])
        sheet.paste(Image.fromarray(picture), (left, top))
        sheet.paste(draw_overlay(picture, _masks(scenes, index), []), (left + width, top))
    return sheet


def _to_array(image: Tensor) -> np.ndarray:
    return image.byte().permute(1, 2, 0).contiguous().cpu().numpy()


def _masks(scenes: Scenes, index: int) -> list[np.ndarray]:
    is_part = scenes.parents[index] >= 0
    drawn = [scenes.masks[index][scenes.valid[index] & chosen] for chosen in (~is_part, is_part)]
    return [mask.cpu().numpy() for masks in drawn for mask in masks]
