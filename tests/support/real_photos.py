"""Five real photos, each with one object whose outline was drawn by hand; see ``tests/data/real_photos``.

``python tests/support/real_photos.py DIR`` writes them as a dataset for ``validate accuracy --dataset DIR``.
"""

import shutil
import sys
from importlib import resources
from pathlib import Path

from validation.accuracy.dataset import ANNOTATIONS_FILE, read_dataset
from validation.accuracy.samples import Sample

ANNOTATIONS = Path(__file__).parents[1] / "data" / "real_photos" / ANNOTATIONS_FILE
PHOTOS = {
    "flower.jpg": "sklearn.datasets.images",
    "astronaut.png": "skimage.data",
    "coffee.png": "skimage.data",
    "chelsea.png": "skimage.data",
    "rocket.jpg": "skimage.data",
}


def real_photo_samples(folder: Path) -> list[Sample]:
    """Write the five photos with their true masks to ``folder``, and read them from there."""
    write_real_photos(folder)
    return read_dataset(folder)


def write_real_photos(folder: Path) -> None:
    """Put the photos and their annotations into ``folder``, which is created if it does not exist."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(ANNOTATIONS, folder / ANNOTATIONS_FILE)
    for name, package in PHOTOS.items():
        (folder / name).write_bytes((resources.files(package) / name).read_bytes())


if __name__ == "__main__":
    write_real_photos(Path(sys.argv[1]))
