"""Pictures of a case, encoded for a page. Each is stored once, however often it is shown."""

import base64
import hashlib
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy.ndimage import find_objects, label, maximum_filter

PHOTO_QUALITY = 80  # quality of JPEG; a photo is only the background of the masks
REFERENCE_COLOR = (38, 110, 230)  # blue and orange are told apart by color-blind readers too
ARTIFACT_COLOR = (240, 140, 20)
MASK_OPACITY = 150  # out of 255
# A pixel of disagreement grows by one on every side for so many pixels of the longest side.
SPECK_SHARE = 480
SMALL_SHARE = 0.002  # masks of fewer pixels, as a share of the photo, get rings
RING_MARGIN = 0.03  # between a spot and its ring, as a share of the longest side
MISPLACED_COLOR = (255, 0, 170)  # marks values that are not finite; the scale does not have it

# Viridis (van der Walt and Smith, 2015) in 16 steps: lighter is more, also in print and in gray.
HEAT_COLORS = (
    (0x44, 0x01, 0x54),
    (0x48, 0x1A, 0x6C),
    (0x47, 0x2F, 0x7D),
    (0x41, 0x44, 0x87),
    (0x39, 0x56, 0x8C),
    (0x31, 0x68, 0x8E),
    (0x2A, 0x78, 0x8E),
    (0x23, 0x88, 0x8E),
    (0x1F, 0x98, 0x8B),
    (0x22, 0xA8, 0x84),
    (0x35, 0xB7, 0x79),
    (0x54, 0xC5, 0x68),
    (0x7A, 0xD1, 0x51),
    (0xA5, 0xDB, 0x36),
    (0xD2, 0xE2, 0x1B),
    (0xFD, 0xE7, 0x25),
)


@dataclass(frozen=True)
class Ring:
    """A ring around a spot that is easily overlooked, in pixels of the picture."""

    x: float
    y: float
    radius: float


def rings_around(reference: np.ndarray, artifact: np.ndarray) -> list[Ring]:
    """Return a ring for each spot of two boolean (h, w) masks; none if the masks are large enough to be seen."""
    union = reference | artifact
    if np.count_nonzero(union) >= SMALL_SHARE * union.size:
        return []
    margin = round(RING_MARGIN * max(union.shape))
    spots, _ = label(maximum_filter(union, 2 * margin + 1))
    rings = []
    for rows, columns in find_objects(spots):
        radius = max(rows.stop - rows.start, columns.stop - columns.start) / 2
        rings.append(Ring((columns.start + columns.stop) / 2, (rows.start + rows.stop) / 2, radius))
    return rings


@dataclass(frozen=True)
class Picture:
    """A picture in the page's store.

    Attributes:
        id: id of its element.
        width: pixels.
        height: pixels.
        data_uri: the picture as JPEG or lossless WebP.
    """

    id: str
    width: int
    height: int
    data_uri: str


class PictureStore:
    """Pictures by their content, so that all artifacts share a photo and its reference masks."""

    def __init__(self) -> None:
        self._pictures: dict[bytes, Picture] = {}

    @property
    def pictures(self) -> list[Picture]:
        """All pictures, in the order in which they were added."""
        return list(self._pictures.values())

    def add_photo(self, pixels: np.ndarray) -> Picture:
        """Add a uint8 (h, w, 3) photo as JPEG."""
        return self._add(pixels, "jpeg", quality=PHOTO_QUALITY)

    def add_mask(self, mask: np.ndarray, color: tuple[int, int, int]) -> Picture:
        """Add a boolean (h, w) mask: the object in a translucent color, the rest transparent."""
        return self._add_painted((mask, color, MASK_OPACITY))

    def add_disagreement(self, reference: np.ndarray, artifact: np.ndarray) -> Picture:
        """Add the pixels that only one of two boolean (h, w) masks has, opaque and in the color of that mask.

        In larger pictures each such pixel is drawn as three by three, so that a single one is seen.
        """
        size = 2 * round(max(reference.shape) / SPECK_SHARE) + 1
        return self._add_painted(
            (maximum_filter(reference & ~artifact, size), REFERENCE_COLOR, 255),
            (maximum_filter(artifact & ~reference, size), ARTIFACT_COLOR, 255),
        )

    def add_heat_map(self, values: np.ndarray, top: float) -> Picture:
        """Add (h, w) numbers in 0…``top`` in HEAT_COLORS. Values that are not finite get MISPLACED_COLOR."""
        finite = np.isfinite(values)
        shares = np.where(finite, values, 0) / (top or 1)
        steps = np.minimum(shares * len(HEAT_COLORS), len(HEAT_COLORS) - 1).astype(int)
        pixels = np.array(HEAT_COLORS, np.uint8)[steps]
        pixels[~finite] = MISPLACED_COLOR
        return self._add(pixels, "webp", lossless=True)

    def _add_painted(self, *layers: tuple[np.ndarray, tuple[int, int, int], int]) -> Picture:
        pixels = np.zeros((*layers[0][0].shape, 4), np.uint8)
        for mask, color, opacity in layers:
            pixels[mask] = (*color, opacity)
        return self._add(pixels, "webp", lossless=True)

    def _add(self, pixels: np.ndarray, kind: str, **options: object) -> Picture:
        height, width = pixels.shape[:2]
        shape = repr((kind, pixels.shape)).encode()
        key = hashlib.blake2b(shape + np.ascontiguousarray(pixels).tobytes()).digest()
        if key not in self._pictures:
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, kind, **options)
            data = base64.b64encode(file.getvalue()).decode("ascii")
            self._pictures[key] = Picture(
                f"picture-{len(self._pictures) + 1}",
                width,
                height,
                f"data:image/{kind};base64,{data}",
            )
        return self._pictures[key]
