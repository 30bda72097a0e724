"""Photos with the true masks of their objects."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Instance:
    """One object of a photo.

    Attributes:
        name: a name that is unique in the photo.
        mask: bool (H, W), the object's visible pixels, at least one.
        is_part: whether the object is a part of another one; None if that is unknown.
    """

    name: str
    mask: np.ndarray
    is_part: bool | None = None


@dataclass(frozen=True, eq=False)
class Sample:
    """A photo and the objects that a model is prompted for.

    Attributes:
        name: the name of the file or of the scene.
        pixels: uint8 (H, W, 3), the photo in RGB.
        instances: the objects; there may be none.
    """

    name: str
    pixels: np.ndarray
    instances: tuple[Instance, ...]
