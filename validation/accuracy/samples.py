"""Photos with the true masks of objects in them."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Instance:
    """One object of a photo.

    Attributes:
        name: what tells it from the photo's other objects.
        mask: bool (H, W), its visible pixels, at least one.
        is_part: whether it is a part of another object; None if that is not known.
    """

    name: str
    mask: np.ndarray
    is_part: bool | None = None


@dataclass(frozen=True, eq=False)
class Sample:
    """A photo and the objects of it that a model is asked about.

    Attributes:
        name: a file's name, or a scene's.
        pixels: uint8 (H, W, 3) RGB.
        instances: there may be none.
    """

    name: str
    pixels: np.ndarray
    instances: tuple[Instance, ...]
