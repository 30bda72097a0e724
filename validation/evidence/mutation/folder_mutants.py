"""Changes of an artifact's files after its manifest was written."""

import functools
from pathlib import Path

from converters.artifact_layout import GOLDENS_FOLDER
from validation.evidence.mutation.mutant import INTEGRITY, FolderMutant
from validation.stages import IMAGE_ENCODER, MASK_DECODER

torchscript = functools.partial(
    FolderMutant, format="torchscript", scheme="none", expected=INTEGRITY
)
coreml = functools.partial(FolderMutant, format="coreml", scheme="fp16", expected=INTEGRITY)


def lite_file(folder: Path, component: str) -> Path:
    """Return a component's ``.ptl``, whatever the variant's file stem is."""
    return next(folder.glob(f"*_{component}.ptl"))


def change_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def change_lite_file(folder: Path) -> None:
    change_byte(lite_file(folder, MASK_DECODER))


def change_weights(folder: Path) -> None:
    change_byte(next(folder.rglob("weight.bin")))


def change_golden(folder: Path) -> None:
    change_byte(next((folder / GOLDENS_FOLDER).glob("*.f32")))


def cut_off(folder: Path) -> None:
    path = lite_file(folder, IMAGE_ENCODER)
    path.write_bytes(path.read_bytes()[:-1000])


def lose_weights(folder: Path) -> None:
    next(folder.rglob("weight.bin")).unlink()


def add_file(folder: Path) -> None:
    lite_file(folder, IMAGE_ENCODER).with_suffix(".copy.ptl").write_bytes(b"")


FOLDER_MUTANTS = (
    torchscript("files: a byte of a .ptl", "one bit changed", change=change_lite_file),
    torchscript("files: a .ptl cut off", "the last kB missing", change=cut_off),
    torchscript("files: a byte of a golden", "one bit changed", change=change_golden),
    torchscript("files: one too many", "a file that the manifest does not list", change=add_file),
    coreml("files: a byte of weights", "one bit changed", change=change_weights),
    coreml("files: weights missing", "no weight.bin", change=lose_weights),
)
