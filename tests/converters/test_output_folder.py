"""One process at a time writes an output folder. If it is killed, the folder is as before, or whole."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from converters import output_folder
from converters.output_folder import require_free, reserved, staged
from reference.common.errors import OutputError
from tests.support.requirements import lack, needs_path

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="POSIX only")

CHANGES = {"open", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "shutil.rmtree"}
CHANGES |= {"ctypes.dlsym", "ctypes.dlsym/handle"}  # before an exchange


def names(folder):
    return [path.name for path in folder.iterdir()]


def write(folder, version, force=True):
    with staged(folder, force) as draft:
        (draft / "weights").write_text(version)
        manifest = {"schema": "mobile-sam-export/artifact/1", "version": version}
        (draft / "manifest.json").write_text(json.dumps(manifest))


def version(folder):
    """Return the version of a folder, which must be whole."""
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "weights"]
    weights = (folder / "weights").read_text()
    assert json.loads((folder / "manifest.json").read_text())["version"] == weights
    return weights


def killed_at(step, folder):
    """Write "new" in a process that dies before its step-th change of the disk. Return whether it got that far."""
    child = os.fork()
    if child:
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])
    steps = iter(range(step))

    def die(event, arguments):
        if event in CHANGES and next(steps, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        sys.addaudithook(die)
        write(folder, "new")
    finally:
        os._exit(0)


@pytest.mark.parametrize("can_exchange", [True, False])
def test_folder_is_whole_if_a_replacement_is_killed_at_any_step(
    tmp_path, monkeypatch, can_exchange
):
    if not can_exchange:  # as on file systems that cannot
        monkeypatch.setattr(output_folder, "exchange", lambda one, other: False)
    folder = tmp_path / "artifact"
    seen, step = [], 0
    while True:
        write(folder, "old")
        was_killed = killed_at(step, folder)
        if can_exchange:
            assert folder.exists()
        elif not folder.exists():
            with reserved(folder, force=True):
                assert version(folder) == "old"
        seen.append(version(folder))
        write(folder, "next")
        assert version(folder) == "next"
        assert names(tmp_path) == ["artifact"]
        if not was_killed:
            break
        step += 1
    assert seen == sorted(seen, reverse=True)  # old ones, then new ones
    assert seen[0] == "old"
    assert seen[-1] == "new"
    assert step > 8


@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="not on other systems")
def test_this_file_system_can_exchange(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").write_text("b")
    if not output_folder.exchange(tmp_path / "a", tmp_path / "b"):
        lack("exchanging folders", "the file system of temporary files cannot exchange folders")
    assert (tmp_path / "a").read_text() == "b"
    assert (tmp_path / "b").is_dir()
    assert not output_folder.exchange(tmp_path / "a", tmp_path / "none")


def test_what_a_killed_process_left_is_not_replaced_without_force(tmp_path, monkeypatch):
    monkeypatch.setattr(output_folder, "exchange", lambda one, other: False)
    folder = tmp_path / "artifact"
    write(folder, "old")
    step = 0
    while killed_at(step, folder) and folder.exists():
        step += 1
    assert not folder.exists()
    with pytest.raises(OutputError, match="exists: choose another"), reserved(folder, False):
        pass
    assert version(folder) == "old"


WAIT = """
import sys
from pathlib import Path
from converters.output_folder import reserved
with reserved(Path(sys.argv[1]), True):
    print("reserved", flush=True)
    sys.stdin.read()
"""


def test_the_second_process_is_told_at_once(tmp_path):
    folder = tmp_path / "new" / "artifact"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", WAIT, folder]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environment}
    with subprocess.Popen(command, **pipes) as first:
        assert first.stdout.readline() == "reserved\n"
        for write_it in (reserved, staged):
            with (
                pytest.raises(
                    OutputError, match="is being written by another process: wait for it"
                ),
                write_it(folder, True),
            ):
                pass
        first.kill()
    write(folder, "second", force=False)  # what the first left is taken over
    assert version(folder) == "second"
    assert names(folder.parent) == ["artifact"]


def test_a_second_thread_is_told_as_well(tmp_path):
    refusals = []

    def second():
        try:
            write(tmp_path / "artifact", "second")
        except OutputError as error:
            refusals.append(str(error))

    with reserved(tmp_path / "artifact", True), staged(tmp_path / "artifact", True):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert "is being written by another process" in refusals[0]


def test_a_file_system_without_locks_is_written_to(tmp_path, monkeypatch):
    def refuse(descriptor, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    write(tmp_path / "artifact", "new", force=False)
    assert version(tmp_path / "artifact") == "new"


def test_reserved_folder_can_be_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with reserved(tmp_path / "deep" / "artifact", True):
        write(Path("deep/artifact"), "new")
        assert version(tmp_path / "deep" / "artifact") == "new"
    assert names(Path("deep")) == ["artifact"]


def test_reserved_and_not_written_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), reserved(tmp_path / "deep" / "artifact", True):
        raise ZeroDivisionError
    with pytest.raises(FileNotFoundError), reserved(tmp_path / "artifact", True):
        raise FileNotFoundError  # of the block's own work
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("n" * 300, "File name too long"),
        ("a\0b", "no folder can have this name"),
        ("artifact/report", "is in the artifact .*artifact, which one more file makes invalid"),
        ("artifact/goldens/report", "is in the artifact"),
        ("artifact/weights/report", "is in the artifact"),
    ],
)
def test_folders_that_cannot_be_are_refused_at_once(tmp_path, name, message):
    write(tmp_path / "artifact", "old")
    with pytest.raises(OutputError, match=message), reserved(tmp_path / name, True, "--report"):
        pass
    assert version(tmp_path / "artifact") == "old"


@needs_path("/proc/self")
def test_a_disk_that_is_read_only_is_found_at_once():
    with (
        pytest.raises(OutputError, match="cannot write .*choose another --report"),
        reserved(Path("/proc/report"), True, "--report"),
    ):
        pass


def test_a_manifest_that_is_a_pipe_does_not_hang(tmp_path):
    folder = tmp_path / "artifact"
    folder.mkdir()
    os.mkfifo(folder / "manifest.json")
    with pytest.raises(OutputError, match="is not an artifact folder"):
        require_free(folder, True)
    shutil.rmtree(folder)


def test_files_that_could_not_be_copied_are_told_in_words(tmp_path):
    """coremltools copies a package, and on a full disk ``shutil`` raises one error with the list of all reasons."""
    source = tmp_path / "source"
    source.mkdir()
    (source / "weights").symlink_to("missing")
    with pytest.raises(OutputError) as caught, staged(tmp_path / "models", force=False) as draft:
        shutil.copytree(source, draft / "package")
    assert "models': [Errno 2] No such file or directory" in str(caught.value)
    assert "check space" in str(caught.value)
