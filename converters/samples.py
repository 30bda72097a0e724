"""Sample photos and prompts, with which the conversion traces, calibrates and checks.

The photos ship with scikit-learn and scikit-image, so nothing is downloaded.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from reference.photos.frame_geometry import points_to_frame

if TYPE_CHECKING:  # readers of prompts need not wait for it
    from torch import Tensor

GOLDEN_PHOTOS = ("china", "flower_portrait")
# ``validate compare`` asks about other photos, apart from the goldens. So it shows whether the calibration generalizes.
CALIBRATION_PHOTOS = (*GOLDEN_PHOTOS, "motorcycle", "camera", "hubble", "ihc")

# The name of each photo → the package that it comes with, its file there, and its rotation in quarter turns.
PHOTOS = {
    "china": ("sklearn", "datasets/images/china.jpg", 0),
    "flower_portrait": ("sklearn", "datasets/images/flower.jpg", 1),
    "motorcycle": ("skimage", "data/motorcycle_left.png", 0),
    "camera": ("skimage", "data/camera.png", 0),
    "hubble": ("skimage", "data/hubble_deep_field.jpg", 0),
    "ihc": ("skimage", "data/ihc.png", 0),
    "astronaut": ("skimage", "data/astronaut.png", 0),
    "coffee": ("skimage", "data/coffee.png", 0),
    "chelsea": ("skimage", "data/chelsea.png", 0),
    "rocket": ("skimage", "data/rocket.jpg", 0),
}


def load_photo(name: str) -> np.ndarray:
    """Return the RGB pixels, uint8 (H, W, 3), of one of ``PHOTOS``.

    The file is read directly, because importing the package would take a second.
    """
    package, file, quarter_turns = PHOTOS[name]
    with Image.open(Path(find_spec(package).origin).parent / file) as image:
        pixels = np.asarray(image.convert("RGB"))
    return np.ascontiguousarray(np.rot90(pixels, quarter_turns))


@dataclass(frozen=True)
class SampleCase:
    """One prompt about one photo, in pixels of the photo.

    A label is 1 for a point on the object and 0 for the background. ``mask_from`` names an earlier case, whose mask
    ``mask_index`` is the mask input of this one.
    """

    name: str
    photo: str
    points: tuple[tuple[float, float], ...] = ()
    labels: tuple[int, ...] = ()
    box: tuple[float, float, float, float] | None = None
    mask_from: str | None = None
    mask_index: int = 1

    @property
    def slots(self) -> int:
        """The number of prompt slots that the case takes."""
        return len(self.points) + (2 if self.box else 0)

    def in_frame(
        self, photo_size: tuple[int, int], frame_size: int
    ) -> "tuple[tuple[Tensor, Tensor] | None, Tensor | None]":
        """Return the prompt in pixels of the frame, for a photo of (height, width).

        Returns:
            Points (coordinates (1, K, 2) and labels (1, K)) or None, and a box (1, 4) or None.
        """
        import torch

        points = box = None
        if self.points:
            coords = points_to_frame(self.points, photo_size, frame_size)
            points = torch.from_numpy(coords)[None], torch.tensor(self.labels)[None]
        if self.box:
            corners = points_to_frame(np.reshape(self.box, (2, 2)), photo_size, frame_size)
            box = torch.from_numpy(corners).reshape(1, 4)
        return points, box


GOLDEN_CASES = (
    SampleCase("one_point", "china", points=((320, 200),), labels=(1,)),
    SampleCase(
        "points_and_negative",
        "china",
        points=((320, 200), (100, 80), (500, 300)),
        labels=(1, 0, 1),
    ),
    SampleCase("box", "china", box=(150, 90, 480, 330)),
    SampleCase(
        "box_and_points",
        "china",
        points=((300, 210), (180, 300)),
        labels=(1, 0),
        box=(150, 90, 480, 330),
    ),
    SampleCase("mask_refine", "china", points=((320, 200),), labels=(1,), mask_from="one_point"),
    SampleCase("portrait_point", "flower_portrait", points=((210, 330),), labels=(1,)),
    SampleCase("portrait_box", "flower_portrait", box=(60, 120, 380, 560)),
)
