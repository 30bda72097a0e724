"""``make demo``: run the commands that a new user would type, on a real photo, and list the results.

Each step prints a command line and then runs exactly that, in its own process. Results that are quick to get come
first.
"""

import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import NoReturn

import click

from reference.common.command_line import run
from reference.common.errors import MobileSAMError
from reference.common.output_files import require_writable
from validation.report.folder import PAGE_FILE

PHOTO = "flower.jpg"  # scikit-learn ships it
PROMPT = ("--point", "320,210")
SCHEME = "int8"
DURATION = (
    "The demonstration takes about 3 minutes on two cores. The first mask is there after some seconds, and the first "
    "verdict after about a minute."
)


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
    artifacts, report = output / "artifacts", output / "report"
    folders = [artifacts / f"mobile_sam-{name}-{SCHEME}" for name in ("torchscript", "coreml")]
    reference = output / "reference.png"
    overlays = [output / f"{name}-{SCHEME}.png" for name in ("torchscript", "coreml")]

    print(DURATION, flush=True)
    _step("segment", photo, *PROMPT, "--output", reference)
    _step("convert", "all", "--quantize", SCHEME, "--output", artifacts, "--force")
    for folder, overlay in zip(folders, overlays, strict=True):
        _step("validate", "show", folder, photo, *PROMPT, "--output", overlay)
    # Status 1 means that a gate failed. That is a result for the table, not an error.
    _step("validate", "compare", *folders, "--quick", accepted=(0, 1))
    status = _step(
        *("validate", "compare", *folders, "--report", report, "--json", results), accepted=(0, 1)
    )
    print()
    comparisons = json.loads(results.read_text())["artifacts"]
    for line in closing_lines(comparisons, folders, (photo, reference, *overlays), report):
        print(line)
    return status


def closing_lines(
    comparisons: Sequence[dict], folders: Sequence[Path], pictures: Sequence[Path], report: Path
) -> list[str]:
    """The lines that the demonstration ends with.

    Args:
        comparisons: the entry of each artifact in the document of ``validate compare``.
        folders: the artifacts.
        pictures: the photo, the reference mask and the masks of the artifacts.
        report: the folder of the report.
    """
    return [
        *_table(comparisons, folders),
        "",
        "The photo, the reference mask and the masks of the artifacts:",
        *(f"  {path}" for path in pictures),
        "",
        "All masks that were compared, as a page for a browser:",
        f"  {report / PAGE_FILE}",
    ]


def _step(command: str, *arguments: object, accepted: tuple[int, ...] = (0,)) -> int:
    """Print a command line and run it."""
    words = [str(argument) for argument in arguments]
    print(f"\n$ {shlex.join([command, *words])}", flush=True)
    program = Path(sys.executable).with_name(command)
    status = subprocess.run([program, *words], check=False).returncode
    if status not in accepted:
        raise MobileSAMError(f"'{command} {arguments[0]}' ended with status {status}, see above")
    return status


def _table(comparisons: Sequence[dict], folders: Sequence[Path]) -> list[str]:
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
