"""``make demo``: run the commands that a new user would type, on a real photo, and list the results.

Each step prints a command line and then runs exactly that, in its own process.
"""

import json
import shlex
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import NoReturn

import click

from reference.common.command_line import run
from reference.common.errors import MobileSAMError
from reference.common.output_files import require_writable

PHOTO = "flower.jpg"  # scikit-learn ships it
PROMPT = ("--point", "320,210")
SCHEME = "int8"


@click.command("demo")
@click.option(
    "--output",
    metavar="DIR",
    type=click.Path(path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Write artifacts and pictures to this folder.",
)
def demo(output: Path) -> int:
    """Convert to both formats with int8, compare with the reference, and draw overlays of a photo.

    \b
    Example:
      python -m validation.commands.demo --output demo
    """
    output.mkdir(parents=True, exist_ok=True)
    photo, results = output / PHOTO, output / "comparison.json"
    require_writable(photo)
    photo.write_bytes((resources.files("sklearn.datasets.images") / PHOTO).read_bytes())
    artifacts = output / "artifacts"
    folders = [artifacts / f"mobile_sam-{name}-{SCHEME}" for name in ("torchscript", "coreml")]
    reference = output / "reference.png"
    overlays = [output / f"{name}-{SCHEME}.png" for name in ("torchscript", "coreml")]

    _step("convert", "all", "--quantize", SCHEME, "--output", artifacts, "--force")
    # Status 1 means that a gate failed. That is a result for the table, not an error.
    status = _step("validate", "compare", *folders, "--json", results, accepted=(0, 1))
    _step("segment", photo, *PROMPT, "--output", reference)
    for folder, overlay in zip(folders, overlays, strict=True):
        _step("validate", "show", folder, photo, *PROMPT, "--output", overlay)

    print()
    for row in _table(json.loads(results.read_text())["artifacts"], folders):
        print(row)
    print("\nThe photo, the reference mask and the masks of the artifacts:")
    for path in (photo, reference, *overlays):
        print(f"  {path}")
    return status


def _step(command: str, *arguments: object, accepted: tuple[int, ...] = (0,)) -> int:
    """Print a command line and run it."""
    words = [str(argument) for argument in arguments]
    print(f"\n$ {shlex.join([command, *words])}", flush=True)
    program = Path(sys.executable).with_name(command)
    status = subprocess.run([program, *words], check=False).returncode
    if status not in accepted:
        raise MobileSAMError(f"'{command} {arguments[0]}' ended with status {status}, see above")
    return status


def _table(comparisons: list[dict], folders: list[Path]) -> list[str]:
    """One row per artifact: its size, the IoU of its masks with the reference masks, and the verdict."""
    rows = [("artifact", "size", "mask IoU lowest / mean", "verdict")]
    for comparison, folder in zip(comparisons, folders, strict=True):
        manifest = json.loads((folder / "manifest.json").read_text())
        size = sum(component["bytes"] for component in manifest["components"].values())
        summary = comparison["summary"]
        agreement = f"{summary['min_iou']:.4f} / {summary['mean_iou']:.4f}" if summary else "-"
        rows.append((str(folder), f"{size / 1e6:.1f} MB", agreement, comparison["verdict"]))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def main() -> NoReturn:
    """Run the command and exit with its status."""
    run(demo)
