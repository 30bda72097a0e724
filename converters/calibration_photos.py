"""The photos that a conversion is calibrated with: those that come with this project, or the user's own."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from converters.samples import CALIBRATION_PHOTOS, load_photo
from reference.common.errors import ConversionError
from reference.photos.images import read_image
from reference.photos.photo_files import PHOTO_SUFFIXES, find_photos

BUILT_IN = "built-in"
MOST_PHOTOS = 64  # with more, a conversion takes longer, and the rounding hardly changes


@dataclass(frozen=True, eq=False)
class CalibrationPhotos:
    """Photos by name.

    Attributes:
        source: ``"built-in"`` or ``"folder"``.
        pixels: the name of each photo → uint8 (H, W, 3), RGB.
    """

    source: str
    pixels: Mapping[str, np.ndarray]

    @property
    def manifest_entry(self) -> dict:
        """What the manifest says: where the photos come from, how many there are, and the SHA-256 of their pixels."""
        digest = hashlib.sha256()
        for pixels in self.pixels.values():
            digest.update(str(pixels.shape).encode())
            digest.update(pixels)
        return {
            "source": self.source,
            "photos": len(self.pixels),
            "sha256": digest.hexdigest(),
        }


def built_in_photos() -> CalibrationPhotos:
    """Return the photos that come with scikit-learn and scikit-image."""
    return CalibrationPhotos(BUILT_IN, {name: load_photo(name) for name in CALIBRATION_PHOTOS})


def require_photo_folder(folder: Path) -> list[Path]:
    """Return the photos in a folder of the user, sorted by name.

    Raises:
        ConversionError: it is no folder, or has no photos, or too many.
    """
    if not folder.is_dir():
        raise ConversionError(
            f"calibration '{folder}': no such folder: expected a folder with photos"
        )
    paths = find_photos(folder)
    if not 1 <= len(paths) <= MOST_PHOTOS:
        raise ConversionError(
            f"calibration '{folder}' has {len(paths)} photos ending in {', '.join(PHOTO_SUFFIXES)}: "
            f"expected 1 to {MOST_PHOTOS}; a dozen that look like those of your users are enough"
        )
    return paths


def photos_in(folder: Path) -> CalibrationPhotos:
    """Read the photos in a folder of the user.

    Raises:
        ConversionError: it is no folder, or has no photos, or too many.
        ImageError: a photo cannot be read.
    """
    pixels = {
        path.relative_to(folder).as_posix(): read_image(path)
        for path in require_photo_folder(folder)
    }
    return CalibrationPhotos("folder", pixels)
