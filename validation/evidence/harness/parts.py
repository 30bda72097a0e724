"""What the harness measures. Each part has a table of its own on the page."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from converters.coreml.schemes import SCHEMES as COREML_SCHEMES
from converters.torchscript.options import SCHEMES as TORCHSCRIPT_SCHEMES
from reference.modeling.variants import get_variant
from validation.evidence.harness.versions import Version

SIZES = (512, 1024, 1536)  # sides of the frame, in pixels
PHOTO_COUNTS = (1, 10, 100)
_SIDE = 320  # of a photo, in pixels
# ``validate`` ends with 1 if a gate failed. The masks of seeded weights prove nothing, but take as long as others.
_VALIDATED = (0, 1)


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        name: what was measured.
        old: the figure of the old version, with its unit; empty if it was not measured.
        new: the figure of the new version, with its unit.
        measured: the figure that counts, which is usually new divided by old.
        reach: the largest figure that is aimed for; None without an aim.
    """

    name: str
    old: str
    new: str
    measured: float
    reach: float | None = None


class Laboratory:
    """Both versions, the folder in which they work, and the artifacts that each of them converted."""

    def __init__(self, old: Version, new: Version, folder: Path, model: str, rounds: int) -> None:
        """Prepare a laboratory.

        Args:
            old: the old version.
            new: the new version.
            folder: an empty folder for caches, artifacts and photos.
            model: the model variant that is converted and compared.
            rounds: how often each version runs. The shortest time counts.
        """
        self.versions = (old, new)
        self.model, self.rounds = model, rounds
        self.checkpoint = "seeded" if model == "tiny" else "demo"
        self._folder, self._caches = folder, 0
        self.artifact = functools.cache(self._convert)

    def new_cache(self) -> Path:
        """Return a new empty folder for the cache of a command."""
        self._caches += 1
        cache = self._folder / f"cache-{self._caches}"
        cache.mkdir()
        return cache

    def convert_seconds(self, version: Version, *arguments: str) -> float:
        """Run ``convert`` with these arguments, and return its time."""
        cache = self.new_cache()
        weights = ("--model", self.model, "--checkpoint", self.checkpoint)
        return version.seconds(
            "converters", *arguments, *weights, "--output", cache / "artifacts", cache=cache
        )

    def _convert(self, version: Version, format_name: str, scheme: str) -> Path:
        cache = self.new_cache()
        version.seconds(
            "converters",
            format_name,
            *("--quantize", scheme, "--model", self.model, "--checkpoint", self.checkpoint),
            *("--output", cache),
            cache=cache,
        )
        (folder,) = cache.glob(f"*-{format_name}-{scheme}")
        return folder

    def photos(self, count: int) -> list[Path]:
        """Return photos of random colors, which all differ."""
        paths = [self._folder / f"photo-{index}.png" for index in range(count)]
        for index, path in enumerate(paths):
            if not path.exists():
                pixels = np.random.default_rng(index).integers(0, 256, (8, 8, 3), np.uint8)
                Image.fromarray(pixels).resize((_SIDE, _SIDE)).save(path)
        return paths

    def shortest(self, run: Callable[[Version], float]) -> tuple[float, float]:
        """Return the shortest time of the old version and of the new one, which take turns."""
        seconds: dict[str, list[float]] = {version.name: [] for version in self.versions}
        for turn in range(self.rounds):
            for version in self.versions if turn % 2 == 0 else reversed(self.versions):
                seconds[version.name].append(run(version))
        old, new = (min(seconds[version.name]) for version in self.versions)
        return old, new


def _time_row(name: str, old: float, new: float, reach: float | None = None) -> Row:
    return Row(name, f"{old:.1f} s", f"{new:.1f} s", new / old, reach)


def measure_refusal(laboratory: Laboratory) -> list[Row]:
    """Measure how long ``convert`` takes to refuse a scheme."""

    def refuse(version: Version) -> float:
        arguments = ("coreml", "--quantize", "nope")
        return version.seconds(
            "converters", *arguments, cache=laboratory.new_cache(), statuses=(2,)
        )

    return [_time_row("`convert coreml --quantize nope`", *laboratory.shortest(refuse))]


def measure_convert(laboratory: Laboratory) -> list[Row]:
    """Measure the conversion to both formats."""
    arguments = ("all", "--quantize", "int8")
    times = laboratory.shortest(lambda version: laboratory.convert_seconds(version, *arguments))
    return [_time_row("`convert all --quantize int8`", *times, reach=0.4)]


def measure_compare(laboratory: Laboratory) -> list[Row]:
    """Measure the comparison of two artifacts, without and with the answers of an earlier run."""
    again: list[float] = []

    def compare(version: Version) -> float:
        folders = [laboratory.artifact(version, name, "int8") for name in ("torchscript", "coreml")]
        cache = laboratory.new_cache()
        arguments = ("compare", *folders)
        first = version.seconds("validation", *arguments, cache=cache, statuses=_VALIDATED)
        if version.name == "new":
            again.append(
                version.seconds("validation", *arguments, cache=cache, statuses=_VALIDATED)
            )
        return first

    old, new = laboratory.shortest(compare)
    return [
        _time_row("`validate compare` of int8 for both formats, first run", old, new, 0.25),
        _time_row("`validate compare` of int8 for both formats, second run", old, min(again), 0.15),
    ]


def measure_many(laboratory: Laboratory) -> list[Row]:
    """Measure the comparison of all artifacts in one run, and in single runs of the old version."""
    everything = [
        *(("torchscript", scheme) for scheme in TORCHSCRIPT_SCHEMES),
        *(("coreml", scheme) for scheme in COREML_SCHEMES),
    ]
    old, new = laboratory.versions
    singly = sum(
        old.seconds(
            *("validation", "compare", laboratory.artifact(old, *each)),
            cache=laboratory.new_cache(),
            statuses=_VALIDATED,
        )
        for each in everything
    )
    folders = [laboratory.artifact(new, *each) for each in everything]
    together = new.seconds(
        *("validation", "compare", *folders), cache=laboratory.new_cache(), statuses=_VALIDATED
    )
    name = f"`validate compare` of {len(everything)} artifacts, × single runs"
    return [_time_row(name, singly, together, 0.15)]


def measure_regress(laboratory: Laboratory) -> list[Row]:
    """Measure the check of one artifact, once with each version because it takes minutes."""

    def regress(version: Version) -> float:
        cache = laboratory.new_cache()
        artifact = laboratory.artifact(version, "torchscript", "int8")
        arguments = ("regress", artifact, "--baseline", cache / "baseline.json", "--update")
        return version.seconds("validation", *arguments, cache=cache, statuses=_VALIDATED)

    old, new = map(regress, laboratory.versions)
    return [_time_row("`validate regress` of one artifact", old, new, 0.35)]


def measure_mil_runtime(laboratory: Laboratory) -> list[Row]:
    """Measure the time to encode in ``mil_runtime``, relative to PyTorch eager in the same process."""
    old, new = (
        version.figures(
            "mil_runtime_encode",
            laboratory.model,
            laboratory.artifact(version, "coreml", "fp16"),
            cache=laboratory.new_cache(),
        )
        for version in laboratory.versions
    )
    return [
        Row(
            f"mil_runtime encode, {numerics}, × PyTorch eager",
            f"{old[numerics]:.2f}",
            f"{new[numerics]:.2f}",
            new[numerics],
            reach,
        )
        for numerics, reach in {"declared": 0.6, "float32": 0.4}.items()
    ]


def measure_memory(laboratory: Laboratory) -> list[Row]:
    """Measure the peak memory of encoding with a float32 ``.ptl`` file, beyond the imported libraries."""
    size = get_variant(laboratory.model).image_size
    peaks = []
    for version in laboratory.versions:
        (file,) = laboratory.artifact(version, "torchscript", "none").glob("*_image_encoder.ptl")
        figures = version.figures("ptl_encode", file, size, cache=laboratory.new_cache())
        peaks.append(figures["megabytes"])
    old, new = peaks
    name = "peak memory of encode, `.ptl` none"
    return [Row(name, f"{old:.0f} MB", f"{new:.0f} MB", new / old, 0.5)]


def measure_growth(laboratory: Laboratory) -> list[Row]:
    """Measure how time and memory of encoding grow with the size of the frame, in the new version."""
    new = laboratory.versions[1]
    rows = []
    for size in SIZES:
        cache = laboratory.new_cache()
        file = cache / "encoder.ptl"
        weights = (laboratory.model, laboratory.checkpoint)
        new.figures("export_encoder", *weights, size, file, cache=cache)
        found = new.figures("ptl_encode", file, size, cache=cache)
        megapixels = size * size / 1e6
        time, memory = found["seconds"], found["megabytes"]
        name = f"encode of {size}×{size}, `.ptl` none"
        rows += [
            Row(f"{name}: seconds per megapixel", "", f"{time:.2f} s", time / megapixels),
            Row(f"{name}: MB per megapixel", "", f"{memory:.0f} MB", memory / megapixels),
        ]
    return rows


def measure_photos(laboratory: Laboratory) -> list[Row]:
    """Measure how the time of a comparison grows with the number of photos, in the new version."""
    new = laboratory.versions[1]
    artifact = laboratory.artifact(new, "torchscript", "int8")
    rows = []
    for count in PHOTO_COUNTS:
        images = [word for photo in laboratory.photos(count) for word in ("--images", str(photo))]
        cache = laboratory.new_cache()
        time = new.seconds(
            *("validation", "compare", artifact, *images), cache=cache, statuses=_VALIDATED
        )
        name = f"`validate compare` with {count} more photos: seconds per photo"
        rows.append(Row(name, "", f"{time:.1f} s", time / count))
    return rows


# The name of a part on the command line and on the page → what measures it. Short parts come first.
PARTS: Mapping[str, Callable[[Laboratory], list[Row]]] = {
    "refusal": measure_refusal,
    "convert": measure_convert,
    "memory": measure_memory,
    "mil-runtime": measure_mil_runtime,
    "growth": measure_growth,
    "compare": measure_compare,
    "photos": measure_photos,
    "compare-many": measure_many,
    "regress": measure_regress,
}
