"""The benchmark of two versions: which version runs, what counts, and what the page says."""

import subprocess

import pytest

import validation.evidence.harness.cli
import validation.evidence.harness.versions
from reference.common.command_line import run
from tests.support.requirements import require_tool
from validation.evidence.harness.cli import harness
from validation.evidence.harness.parts import (
    PARTS,
    Laboratory,
    Row,
    measure_growth,
    measure_memory,
    measure_refusal,
)
from validation.evidence.harness.versions import HarnessError, Version, unpack
from validation.evidence.page import CHECKOUT

# A version of a project whose command writes which version it is, and ends with the given status.
COMMAND = """
import os, pathlib, sys
pathlib.Path("ran").write_text("{version} " + os.environ["MOBILE_SAM_CACHE"])
print("out of order", file=sys.stderr)
sys.exit(int(sys.argv[1]))
"""


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository whose last commit is the version 2, and the one before it the version 1."""
    require_tool("git", "install git")
    root = tmp_path / "checkout"
    (root / "converters").mkdir(parents=True)

    def git(*arguments):
        person = ("-c", "user.name=Test", "-c", "user.email=test@example.org")
        subprocess.run(["git", *person, "-C", root, *arguments], check=True, capture_output=True)

    git("init")
    for version in (1, 2):
        (root / "converters" / "__main__.py").write_text(COMMAND.format(version=version))
        git("add", ".")
        git("commit", "-m", f"Version {version}")
    monkeypatch.setattr(validation.evidence.harness.versions, "CHECKOUT", root)
    return root


@pytest.fixture
def page(tmp_path, monkeypatch):
    """A page for two parts, which replace the real ones: one has a figure, and the other cannot run."""
    page = tmp_path / "harness.md"
    parts = ("quick", "broken")
    page.write_text(
        "\n".join(
            f"<!-- numbers:begin {part} -->\nbefore\n<!-- numbers:end {part} -->" for part in parts
        )
    )

    def broken(laboratory):
        raise HarnessError("new version: no such option")

    measures = {"quick": lambda laboratory: [Row("speed", "8.0 s", "2.0 s", 0.25, 0.2)]}
    monkeypatch.setattr(validation.evidence.harness.cli, "PARTS", measures | {"broken": broken})
    monkeypatch.setattr(validation.evidence.harness.cli, "PAGE", page)
    only = next(option for option in harness.params if option.name == "parts")
    monkeypatch.setattr(only.type, "choices", parts)
    return page


def command(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        run(harness, list(arguments))
    out, err = capsys.readouterr()
    return ended.value.code, out, err


def test_each_version_runs_its_own_code(checkout, tmp_path):
    old = unpack("HEAD~1", tmp_path / "old")
    for version, name in ((old, "1"), (Version("new", checkout), "2")):
        cache = tmp_path / name
        cache.mkdir()
        assert version.seconds("converters", 2, cache=cache, statuses=(2,)) > 0
        assert (cache / "ran").read_text() == f"{name} {cache}"


def test_a_command_that_fails_is_an_error(checkout, tmp_path):
    with pytest.raises(HarnessError, match=r"new version: .* ended with status 1: out of order"):
        Version("new", checkout).seconds("converters", 1, cache=tmp_path)


def test_an_unknown_commit_is_an_error(checkout, capsys):
    status, out, err = command(capsys, "--old", "nothing")
    assert (status, out) == (2, "")
    assert "commit 'nothing' cannot be unpacked" in err


def test_versions_take_turns_and_the_shortest_time_counts(tmp_path):
    old, new = Version("old", tmp_path), Version("new", tmp_path)
    laboratory = Laboratory(old, new, tmp_path, "tiny", rounds=2)
    times = iter([8.0, 3.0, 2.0, 9.0])
    turns = []

    def measure(version):
        turns.append(version.name)
        return next(times)

    assert laboratory.shortest(measure) == (8.0, 2.0)
    assert turns == ["old", "new", "new", "old"]


def test_a_part_that_cannot_run_is_told(checkout, page, capsys):
    status, out, err = command(capsys, "--old", "HEAD", "--write")
    assert status == 1
    assert "| speed | 8.0 s | 2.0 s | 0.25 | ≤ 0.2 | **missed** |" in out
    assert "broken: NOT RUN: new version: no such option" in err
    text = page.read_text()
    assert "before" not in text
    assert "| NOT RUN |" in text
    assert "python -m validation.evidence.harness --only quick --old HEAD` on" in text


def test_parts_that_are_left_out_keep_their_tables(checkout, page, capsys):
    status, out, _ = command(capsys, "--old", "HEAD", "--only", "quick", "--write")
    assert status == 0
    assert "| NOT RUN |" in out
    text = page.read_text()
    assert "| speed |" in text
    assert text.count("before") == 1


def test_the_page_has_a_place_for_each_part():
    text = (CHECKOUT / "docs" / "evidence" / "harness.md").read_text()
    for part in PARTS:
        assert text.count(f"<!-- numbers:begin {part} -->") == 1


@pytest.mark.slow
def test_parts_measure_the_tiny_model(tmp_path):
    versions = Version("old", CHECKOUT), Version("new", CHECKOUT)
    laboratory = Laboratory(*versions, tmp_path, "tiny", rounds=1)
    (refusal,), (memory,) = measure_refusal(laboratory), measure_memory(laboratory)
    assert 0.2 < refusal.measured < 5
    assert 0.5 < memory.measured < 2
    assert len(measure_growth(laboratory)) == 6
