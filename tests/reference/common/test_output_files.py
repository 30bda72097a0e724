"""A file is written whole or not at all, even on a disk that fills up."""

import os
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from reference.common.errors import OutputError
from reference.common.output_files import replacing, require_writable
from reference.photos.images import write_image
from tests.support.requirements import lack, needs_path


def names(folder):
    return sorted(path.name for path in folder.iterdir())


# In a child: the limit holds for a whole process, and can be lowered only. Beyond it, writing fails
# as on a full disk, in the middle of a file.
FILL_UP = """
import resource, sys
from pathlib import Path
from PIL import Image
from reference.common.errors import OutputError
from reference.photos.images import write_image
from validation.documents.json_file import write_json

resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
path = Path(sys.argv[1])
try:
    if path.suffix == ".json":
        write_json(path, {"numbers": list(range(10_000))})
    elif path.suffix == ".pt":
        import torch
        from reference.training.run_folder import RunFolder
        RunFolder(path.parent).write_state({"numbers": torch.zeros(10_000)})
    else:
        write_image(Image.effect_noise((300, 300), 100).convert("RGB"), path)
except OutputError as error:
    sys.exit(str(error))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
@pytest.mark.parametrize("name", ["report.json", "overlay.png", "overlay.jpg", "state.pt"])
@pytest.mark.parametrize("before", [None, b"an earlier result"])
def test_a_disk_that_fills_up_leaves_the_file_as_it_was(tmp_path, name, before):
    path = tmp_path / name
    if before is not None:
        path.write_bytes(before)
    command = [sys.executable, "-c", FILL_UP, str(path)]
    child = subprocess.run(command, capture_output=True, text=True)
    assert child.returncode == 1
    expected = f"{path}: cannot be written (File too large); name another output\n"
    assert child.stderr == expected
    assert [file.read_bytes() for file in tmp_path.iterdir()] == (
        [] if before is None else [before]
    )


# Special files: written through or refused, never replaced

needs_pipes = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="POSIX only")


def write(path, text="new\n"):
    require_writable(path)
    with replacing(path) as draft:
        draft.write_text(text)


def make_device(path, minor):
    """Make a device node like /dev/null (3), /dev/zero (5) or /dev/full (7), or a link to the system's node."""
    try:
        os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, minor))
    except (OSError, AttributeError) as error:
        lack("device nodes", f"device nodes cannot be made here ({error})")


def test_a_device_is_written_through_and_stays_a_device(tmp_path):
    make_device(tmp_path / "null.png", 3)
    write(tmp_path / "null.png")
    write_image(Image.new("RGB", (3, 3)), tmp_path / "null.png")
    assert (tmp_path / "null.png").is_char_device()
    assert names(tmp_path) == ["null.png"]


def test_a_device_without_space_is_an_error_and_stays(tmp_path):
    make_device(tmp_path / "full", 7)
    with pytest.raises(OutputError, match=r"full: cannot be written \(No space left on device\)"):
        write(tmp_path / "full")
    assert (tmp_path / "full").is_char_device()
    assert names(tmp_path) == ["full"]


def test_a_device_that_nothing_drives_is_refused_at_once(tmp_path):
    try:
        os.mknod(tmp_path / "none", stat.S_IFCHR | 0o666, os.makedev(240, 200))
    except (OSError, AttributeError) as error:
        lack("device nodes", f"device nodes cannot be made here ({error})")
    with pytest.raises(OutputError, match="none: cannot be written"):
        require_writable(tmp_path / "none")


@needs_pipes
def test_pipes_sockets_and_disks_are_refused_and_stay(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the names of sockets are short
    os.mkfifo("pipe")
    Path("link").symlink_to("pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
    for name, kind in (("pipe", "a pipe"), ("link", "a pipe"), ("socket", "a socket")):
        with pytest.raises(OutputError, match=f"{name}: is {kind}; name a file"):
            require_writable(Path(name))
        with pytest.raises(OutputError, match=f"{name}: is {kind}"), replacing(Path(name)):
            pass
    assert Path("pipe").is_fifo()
    assert Path("link").is_symlink()
    assert Path("socket").is_socket()
    assert names(tmp_path) == ["link", "pipe", "socket"]


WRITE = """
import sys
from pathlib import Path
from reference.common.output_files import replacing, require_writable
print("before")
for name in sys.argv[1:]:
    require_writable(Path(name))
    with replacing(Path(name)) as draft:
        draft.write_text("result\\n")
print("after")
"""


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=needs_path(name))
        for name in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")
    ],
)
@pytest.mark.parametrize("is_pipe", [True, False])
def test_own_streams_are_written_to_in_order(tmp_path, name, is_pipe):
    output = tmp_path / "output"
    command = [sys.executable, "-c", WRITE, name]
    with output.open("wb") as file:
        done = subprocess.run(command, stdout=subprocess.PIPE if is_pipe else file, check=True)
    text = done.stdout if is_pipe else output.read_bytes()
    assert text == b"before\nresult\nafter\n"
    assert names(tmp_path) == ["output"]
    assert Path(name).exists()


@needs_path("/dev/fd/1")
def test_pipe_that_the_shell_made_is_written_to(tmp_path):
    script = f'"$0" -c "$1" >(cat > {tmp_path}/copy) > /dev/null; wait $!'
    subprocess.run(["bash", "-c", script, sys.executable, WRITE], check=True)
    deadline = time.monotonic() + 20
    while (tmp_path / "copy").read_text() != "result\n" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (tmp_path / "copy").read_text() == "result\n"


ENDLESS = """
from pathlib import Path
import click
from reference.common.command_line import run
from validation.documents.json_file import write_json

@click.command("tool")
def tool():
    write_json(Path("/dev/stdout"), {"numbers": list(range(100_000))})

run(tool, [])
"""


@needs_path("/dev/stdout")
def test_reader_that_closes_its_end_is_no_error():
    script = '"$0" -c "$1" | head -c 9 > /dev/null; exit ${PIPESTATUS[0]}'
    done = subprocess.run(["bash", "-c", script, sys.executable, ENDLESS], capture_output=True)
    assert (done.returncode, done.stderr) == (141, b"")


def test_a_deleted_working_folder_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(OutputError, match="a.json: cannot be written"):
        require_writable(Path("a.json"))


# Links


def test_a_link_stays_and_its_target_is_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    target = tmp_path / "folder" / "target"
    target.write_text("old")
    for name, leads_to in (("link", "folder/target"), ("second", "link")):
        (tmp_path / name).symlink_to(leads_to)
        write(tmp_path / name, name)
        assert (tmp_path / name).is_symlink()
        assert target.read_text() == name
    assert names(tmp_path / "folder") == ["target"]


def test_a_link_to_nothing_yet(tmp_path):
    (tmp_path / "link").symlink_to("target")
    write(tmp_path / "link")
    assert (tmp_path / "target").read_text() == "new\n"
    (tmp_path / "astray").symlink_to("none/target")
    with pytest.raises(OutputError, match="there is no folder .*none; create it first"):
        require_writable(tmp_path / "astray")
    (tmp_path / "round").symlink_to("round")
    with pytest.raises(OutputError, match="round: cannot be written"):
        require_writable(tmp_path / "round")


def test_other_names_of_a_file_keep_what_they_have(tmp_path):
    (tmp_path / "a").write_text("old")
    os.link(tmp_path / "a", tmp_path / "b")
    write(tmp_path / "a")
    assert [(tmp_path / name).read_text() for name in "ab"] == ["new\n", "old"]


def test_permissions_stay(tmp_path):
    path = tmp_path / "private"
    path.write_text("old")
    path.chmod(0o600)
    write(path)
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new\n", 0o600)


# Refused before the work


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("n" * 300, "File name too long"),
        ("a\0b", "no file can have this name"),
        ("none/a", "there is no folder"),
        ("file/a", "Not a directory"),
        (".", "is a folder"),
        ("", "is a folder"),
    ],
)
def test_impossible_names_are_refused(tmp_path, name, message):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=message):
        require_writable(tmp_path / name)
    assert names(tmp_path) == ["file"]


MOUNTED = """
set -e
mount -t tmpfs none "$1"
echo old > "$1/file"
{setting}
"$2" -c "$3" "$1"
"""
CHECK = """
import sys
from pathlib import Path
from reference.common.errors import OutputError
from reference.common.output_files import replacing, require_writable
folder = Path(sys.argv[1])
for name in ("file", "other"):
    try:
        require_writable(folder / name)
    except OutputError as error:
        print(error)
    else:
        with replacing(folder / name) as draft:
            draft.write_text("new")
        print((folder / name).read_text())
"""


def run_mounted(tmp_path, setting):
    """Run CHECK in a file system of its own after ``setting`` has changed it, and return what it prints."""
    script = MOUNTED.format(setting=setting)
    namespace = ["unshare", "--mount", "sh"]
    try:
        subprocess.run([*namespace, "-c", f"mount -t tmpfs none {tmp_path}"], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        lack("mounts", f"nothing can be mounted here ({error})")
    command = [*namespace, "-c", script, "sh", str(tmp_path), sys.executable, CHECK]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def test_a_disk_that_is_read_only_is_refused(tmp_path):
    lines = run_mounted(tmp_path, 'mount -o remount,ro "$1"')
    assert len(lines) == 2
    assert all("cannot be written (Read-only file system)" in line for line in lines)


def test_a_single_file_that_is_mounted_is_written_to(tmp_path):
    lines = run_mounted(tmp_path, 'touch "$1/x"; mount --bind "$1/x" "$1/file"')
    assert lines == ["new", "new"]


# An artifact is nobody's place for other files


@pytest.mark.parametrize("name", ["a.json", "goldens/a.json", "file"])
def test_nothing_is_written_into_an_artifact(tmp_path, name):
    folder = tmp_path / "artifact"
    (folder / "goldens").mkdir(parents=True)
    (folder / "file").write_text("old")
    (folder / "manifest.json").write_text('{"schema": "mobile-sam-export/artifact/1"}')
    (tmp_path / "link").symlink_to("artifact")
    for path in (folder / name, tmp_path / "link" / name):
        with pytest.raises(OutputError, match="is in the artifact .*artifact, which one more file"):
            require_writable(path)
    write(tmp_path / "beside")


@pytest.mark.parametrize(
    "manifest", ['{"schema": "other/1"}', '{"name": "a web app"}', "[]", "{", "[" * 100_000]
)
def test_folders_with_other_manifests_are_no_artifacts(tmp_path, manifest):
    (tmp_path / "manifest.json").write_text(manifest)
    write(tmp_path / "a.json")
