"""A report replaces an earlier report in one step, and touches nothing else."""

import hashlib
import json
import os
import shutil
from contextlib import contextmanager
from pathlib import Path

import pytest

from reference.common.errors import OutputError
from tests.support.latency_documents import document, target
from validation.report import write_latency_report
from validation.report.folder import (
    COMPARISON,
    FILES_FILE,
    FILES_SCHEMA,
    LATENCY,
    reserved_report,
    staged_report,
)


def write(folder, text="old", names=("report.html", "results.json"), kind=COMPARISON):
    with staged_report(folder, kind) as draft:
        for name in names:
            (draft / name).write_text(text)


def contents(folder) -> dict[str, bytes | None]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@contextmanager
def refused(folder, reason):
    """Check that the block is refused because ``folder`` is no report: one line says why, and nothing is written."""
    yield
    before = contents(folder.parent)
    for attempt in (
        lambda: write(folder, "new"),
        lambda: reserved_report(folder, COMPARISON).__enter__(),
    ):
        with pytest.raises(OutputError) as caught:
            attempt()
        message = str(caught.value)
        assert message.startswith(f"'{folder}' exists and {reason}")
        assert message.endswith(", so it is not replaced: choose another --report")
        assert "\n" not in message
    assert contents(folder.parent) == before


@pytest.fixture
def folder(tmp_path) -> Path:
    write(tmp_path / "report")
    return tmp_path / "report"


def test_every_file_is_listed_with_its_hash(folder):
    listed = json.loads((folder / FILES_FILE).read_text())
    expected = hashlib.sha256(b"old").hexdigest()
    assert listed == {
        "schema": FILES_SCHEMA,
        "files": {"report.html": expected, "results.json": expected},
    }


def test_a_report_is_replaced_and_nothing_is_left_over(folder):
    write(folder, "new", ("report.html", "results.json", "latency.html", "latency.json"))
    assert (folder / "latency.html").read_text() == "new"
    write(folder, "newer")
    assert sorted(contents(folder)) == [FILES_FILE, "report.html", "results.json"]
    assert (folder / "report.html").read_text() == "newer"
    assert list(folder.parent.iterdir()) == [folder]


def test_a_latency_report_is_replaced_by_its_own_kind(tmp_path):
    folder = tmp_path / "report"
    write_latency_report(folder, document(target()), command="first")
    write_latency_report(folder, document(target()), command="second")
    assert "second" in (folder / "latency.html").read_text()
    with refused(folder, "is not a report of validate compare"):
        pass
    shutil.rmtree(folder)
    write(folder)
    with pytest.raises(OutputError, match="is not a report of validate latency, so it is not"):
        write_latency_report(folder, document(target()), command="third")


def test_an_error_keeps_the_old_report_whole(folder):
    before = contents(folder)
    with pytest.raises(ZeroDivisionError), staged_report(folder, COMPARISON) as draft:
        (draft / "report.html").write_text("half")
        assert contents(folder) == before  # until the new one is whole
        raise ZeroDivisionError
    assert contents(folder) == before
    assert list(folder.parent.iterdir()) == [folder]


def test_files_left_by_systems_are_nobodys(folder):
    (folder / ".DS_Store").write_text("")
    write(folder, "new")
    assert (folder / "report.html").read_text() == "new"


@pytest.mark.parametrize("name", ["notes.txt", ".git/config", "report_files/a.png", ".hidden"])
def test_foreign_files_are_kept(folder, name):
    with refused(folder, f"holds '{name.partition('/')[0]}', which is not part of the report"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("mine")


def test_a_page_that_was_edited_is_kept(folder):
    with refused(folder, "its 'report.html' was changed after the report was written"):
        (folder / "report.html").write_text("old, with my notes")


def test_a_link_in_place_of_a_page_is_kept(folder, tmp_path):
    with refused(folder, "its 'report.html' was changed"):
        (folder / "report.html").rename(tmp_path / "mine.html")
        (folder / "report.html").symlink_to(tmp_path / "mine.html")


def test_a_pipe_in_place_of_a_page_does_not_hang(folder):
    (folder / "results.json").unlink()
    os.mkfifo(folder / "results.json")
    with pytest.raises(OutputError, match="its 'results.json' was changed"):
        write(folder)


def test_a_report_without_one_of_its_files_is_kept(folder):
    with refused(folder, "lacks its 'results.json'"):
        (folder / "results.json").unlink()


@pytest.mark.parametrize(
    "marker",
    [
        None,
        "",
        "[]",
        "{}",
        "[" * 100_000,
        '{"schema": "mobile-sam-export/report/2", "files": {}}',
        '{"schema": "mobile-sam-export/report/1", "files": ["report.html", "results.json"]}',
        '{"schema": "mobile-sam-export/report/1", "files": {}}',
        '{"schema": ["mobile-sam-export/report/1"], "files": {}}',
    ],
)
def test_folders_without_a_sound_list_are_kept(folder, marker):
    with refused(folder, "is not a report of validate compare"):
        (folder / FILES_FILE).unlink()
        if marker is not None:
            (folder / FILES_FILE).write_text(marker)


def test_a_list_cannot_claim_files_that_reports_do_not_have(folder):
    with refused(folder, "is not a report of validate compare"):
        (folder / "thesis.txt").write_text("mine")
        listed = json.loads((folder / FILES_FILE).read_text())
        listed["files"]["thesis.txt"] = hashlib.sha256(b"mine").hexdigest()
        (folder / FILES_FILE).write_text(json.dumps(listed))


@pytest.mark.parametrize("kind", ["empty folder", "file", "link", "link to nothing"])
def test_what_is_no_report_is_kept(tmp_path, kind):
    place = tmp_path / "place"
    if kind == "empty folder":
        place.mkdir()
    elif kind == "file":
        place.write_text("mine")
    else:
        place.symlink_to("report")
        if kind == "link":
            write(tmp_path / "report")
    with refused(place, "is not a " if kind == "empty folder" else "is not a folder"):
        pass


def test_the_working_directory_is_kept(folder, monkeypatch):
    monkeypatch.chdir(folder)
    with pytest.raises(OutputError, match=r"^'\.' exists and is the working directory, so"):
        reserved_report(Path(), COMPARISON).__enter__()


def test_a_note_added_during_the_run_is_kept(folder):
    with reserved_report(folder, COMPARISON):
        (folder / "notes.txt").write_text("mine")
        with pytest.raises(OutputError, match="holds 'notes.txt'"):
            write(folder, "new")
    assert (folder / "report.html").read_text() == "old"


@contextmanager
def without_rights():
    """In the block, this process may read only what everybody may read."""
    user = os.geteuid()
    os.seteuid(65534 if user == 0 else user)
    try:
        yield
    finally:
        os.seteuid(user)


def test_a_folder_that_cannot_be_read_is_kept(folder, monkeypatch):
    (folder / "report.html").chmod(0)
    folder.parent.chmod(0o755)
    monkeypatch.chdir(folder.parent)  # a relative path does not need the folders above
    with (
        without_rights(),
        pytest.raises(OutputError, match=r"cannot be read \(Permission denied\), so it is not"),
    ):
        reserved_report(Path(folder.name), COMPARISON).__enter__()
    assert (folder / "report.html").stat().st_size


@pytest.mark.parametrize("kind", [COMPARISON, LATENCY])
def test_the_command_says_so_in_one_line(refuses, tiny_artifact, tmp_path, kind):
    before = contents(tmp_path)
    command = kind.command.removeprefix("validate ")
    refuses(
        f"exists and is not a report of {kind.command}",
        command,
        tiny_artifact,
        "--report",
        tmp_path,
    )
    assert contents(tmp_path) == before
