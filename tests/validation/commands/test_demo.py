"""The lines that the demonstration ends with."""

import json
from pathlib import Path

import pytest

from validation.commands.demo.cli import closing_lines


@pytest.fixture
def folders(tmp_path, monkeypatch) -> list[Path]:
    """Two artifact folders in the working directory, with nothing but the sizes of their files."""
    monkeypatch.chdir(tmp_path)
    folders = []
    for name, sizes in (
        ("torchscript", (7_000_000, 5_400_000)),
        ("coreml", (6_100_000, 4_300_000)),
    ):
        folders.append(Path("demo", "artifacts", f"mobile_sam-{name}-int8"))
        folders[-1].mkdir(parents=True)
        components = {str(index): {"bytes": size} for index, size in enumerate(sizes)}
        (folders[-1] / "manifest.json").write_text(json.dumps({"components": components}))
    return folders


def test_closing_lines(folders, golden_text):
    passed = {"summary": {"min_iou": 0.93691, "mean_iou": 0.98972}, "verdict": "passed"}
    not_run = {"summary": None, "verdict": "not run"}
    pictures = [Path("demo") / name for name in ("flower.jpg", "reference.png")]
    lines = closing_lines([passed, not_run], folders, pictures, Path("demo/report"))
    golden_text("\n".join(lines), "demo.txt")
