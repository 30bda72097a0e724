"""The built-in prompts: every kind of prompt about every kind of photo, the same on every machine.

The photos ship with scikit-image. They are landscape, portrait and square, tiny, odd-sized, very wide,
and larger than the frame. Unlike the goldens, they were not used for tracing.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import skimage.data
from PIL import Image

from converters.samples import SampleCase, load_photo
from reference.photos.images import read_image
from validation.questions.cases import PHOTO, Question

CENTRAL_SHARE = 0.5  # width and height of the central box, as a share of the photo
TINY_SIZE = (37, 25)  # width, height in pixels
MANY_POINTS = 8  # every number of points up to this one is asked, if the artifact has as many slots


def _rocket_portrait() -> np.ndarray:
    return load_photo("rocket")[:, 213:427]


def _astronaut_strip() -> np.ndarray:
    return load_photo("astronaut")[80:140]


def _tiny_coffee() -> np.ndarray:
    return np.asarray(Image.fromarray(load_photo("coffee")).resize(TINY_SIZE))


_PHOTOS = {
    "astronaut": lambda: load_photo("astronaut"),  # 512×512, width × height
    "coffee": lambda: load_photo("coffee"),  # 600×400
    "chelsea": lambda: load_photo("chelsea"),  # 451×300
    "rocket_portrait": _rocket_portrait,  # 214×427
    "retina": skimage.data.retina,  # 1411×1411
    "astronaut_strip": _astronaut_strip,  # 512×60
    "coffee_tiny": _tiny_coffee,
}

_CASES = (
    # One object, with every kind of prompt.
    SampleCase("face_point", "astronaut", points=((224, 112),), labels=(1,)),
    SampleCase(
        "face_points", "astronaut", points=((224, 112), (250, 150), (90, 90)), labels=(1, 1, 0)
    ),
    SampleCase("face_box", "astronaut", box=(166, 40, 286, 196)),
    SampleCase(
        "suit_box_and_points",
        "astronaut",
        points=((220, 330), (60, 60)),
        labels=(1, 0),
        box=(80, 190, 500, 511),
    ),
    SampleCase(
        "face_refined", "astronaut", points=((224, 112),), labels=(1,), mask_from="face_point"
    ),
    SampleCase(
        "face_box_refined",
        "astronaut",
        box=(166, 40, 286, 196),
        mask_from="face_points",
        mask_index=2,
    ),
    # Several objects in one photo.
    SampleCase("cup", "coffee", box=(165, 60, 430, 330)),
    SampleCase("spoon", "coffee", points=((470, 250),), labels=(1,)),
    SampleCase("table", "coffee", points=((40, 40), (300, 200)), labels=(1, 0)),
    # Prompts at the border of the photo, and one around all of it.
    SampleCase("first_pixel", "chelsea", points=((0, 0),), labels=(1,)),
    SampleCase("last_pixel", "chelsea", points=((450.5, 299.5),), labels=(1,)),
    SampleCase("left_edge", "chelsea", box=(0, 0, 150, 300)),
    SampleCase("whole_photo", "chelsea", box=(0, 0, 451, 300)),
    # Photos of other shapes and sizes.
    SampleCase("rocket_point", "rocket_portrait", points=((107, 200),), labels=(1,)),
    SampleCase("rocket_box", "rocket_portrait", box=(80, 60, 140, 380)),
    SampleCase("disc_point", "retina", points=((390, 660),), labels=(1,)),
    SampleCase("eye_box", "retina", box=(40, 40, 1370, 1370)),
    SampleCase("strip_point", "astronaut_strip", points=((224, 30),), labels=(1,)),
    SampleCase("strip_box", "astronaut_strip", box=(160, 5, 290, 60)),
    SampleCase("tiny_point", "coffee_tiny", points=((18, 12),), labels=(1,)),
    SampleCase("tiny_box", "coffee_tiny", box=(10, 4, 27, 21)),
)


def built_in_questions(prompt_slots: int, photos: Sequence[str] = tuple(_PHOTOS)) -> list[Question]:
    """The built-in questions, without the cases that need more slots than the artifact has.

    The first photo also has prompts of 1 to MANY_POINTS points, one prompt with a point for every slot,
    and a box with points that fills all slots.

    Args:
        prompt_slots: number of slots of the artifact.
        photos: names of the photos to ask about; all by default.
    """
    cases = [*_CASES, *_slot_cases(prompt_slots)]
    return [
        Question(
            PHOTO,
            name,
            _PHOTOS[name],
            tuple(case for case in cases if case.photo == name and case.slots <= prompt_slots),
        )
        for name in photos
    ]


def _slot_cases(prompt_slots: int) -> list[SampleCase]:
    counts = [*range(1, min(prompt_slots, MANY_POINTS) + 1)]
    if prompt_slots > MANY_POINTS:
        counts.append(prompt_slots)
    cases = [_points_around(f"{count}_points", count) for count in counts]
    if prompt_slots > 2:
        cases.append(_points_around("box_in_full_slots", prompt_slots - 2, (80, 190, 500, 511)))
    return cases


def _points_around(name: str, count: int, box: tuple | None = None) -> SampleCase:
    """Points on a spiral around the center of the astronaut; every third point is background."""
    steps = np.arange(count)
    # 2.4 is the golden angle in radians, which spreads the points evenly.
    radius, angle = 20 + 160 * steps / max(count, 8), 2.4 * steps
    points = np.round(np.stack([256 + radius * np.cos(angle), 280 + radius * np.sin(angle)], -1))
    labels = tuple(int(step % 3 != 2) for step in steps)
    return SampleCase(name, "astronaut", tuple(map(tuple, points.tolist())), labels, box)


def photo_question(path: Path, prompt_slots: int) -> Question:
    """A point and a box in the center of a user's photo; ImageError if the photo cannot be read."""
    pixels = read_image(path)
    height, width = pixels.shape[:2]
    margin = (1 - CENTRAL_SHARE) / 2
    box = (width * margin, height * margin, width * (1 - margin), height * (1 - margin))
    cases = (
        SampleCase("central_point", str(path), points=((width / 2, height / 2),), labels=(1,)),
        SampleCase("central_box", str(path), box=box),
    )
    fitting = tuple(case for case in cases if case.slots <= prompt_slots)
    return Question(PHOTO, str(path), lambda: pixels, fitting)
