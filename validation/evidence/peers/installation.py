"""A Python of its own for the peers, so that nothing of theirs is among the project's packages."""

import hashlib
import os
import sys
import sysconfig
import venv
from collections.abc import Callable, Mapping
from pathlib import Path

from reference.common.cache import cache_folder
from reference.common.errors import MobileSAMError
from validation.engines.environments.environment import run_tool

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
_READY = "ready"  # a file that is written last: what lacks it was not finished


class PeersError(MobileSAMError):
    """The peers cannot be installed, or not be compared."""


def default_folder() -> Path:
    """Where the environment lies: in the cache, one for each list of packages and each Python."""
    recipe = REQUIREMENTS.read_bytes() + sys.executable.encode()
    return cache_folder() / "environments" / f"peers-{hashlib.sha256(recipe).hexdigest()[:12]}"


def prepare(folder: Path, report: Callable[[str], None]) -> Path:
    """The environment's interpreter; the environment is made, if it is not there.

    It sees the project's own packages too, and so has the torch that everything else here runs with.

    Raises:
        PeersError: the folder is something else, or cannot be written.
        SetupError: the packages cannot be installed.
    """
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if (folder / _READY).is_file():
        return python
    if folder.exists() and not (folder / "pyvenv.cfg").is_file():
        raise PeersError(f"{folder}: is no environment of the peers: name another --environment")
    report(f"installing ultralytics, onnx and onnxruntime into {folder}")
    try:
        venv.create(folder, clear=True, with_pip=True)
        _add_own_packages(folder)
        _install(python)
        (folder / _READY).touch()
    except OSError as error:
        raise PeersError(
            f"{folder}: cannot be written ({error.strerror or error}): name another --environment"
        ) from None
    return python


def variables(folder: Path) -> dict[str, str]:
    """What the environment's processes are told: ultralytics neither downloads nor reports anything."""
    return {
        **_without_noise(os.environ),
        "YOLO_OFFLINE": "true",
        "YOLO_CONFIG_DIR": str(folder),
        "YOLO_VERBOSE": "false",
        "YOLO_AUTOINSTALL": "false",
    }


def _without_noise(given: Mapping[str, str]) -> dict[str, str]:
    """Settings of other ultralytics installations, and of threads, are not this one's."""
    return {
        name: value
        for name, value in given.items()
        if not name.startswith(("YOLO_", "OMP_", "MKL_", "ORT_"))
    }


def _add_own_packages(folder: Path) -> None:
    """By addsitedir, which follows the links of editable installations."""
    base = {"base": str(folder), "platbase": str(folder)}
    packages = Path(sysconfig.get_path("purelib", vars=base))
    own = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    lines = [f"import site; site.addsitedir({path!r})" for path in sorted(own)]
    (packages / "project.pth").write_text("\n".join(lines) + "\n")


def _install(python: Path) -> None:
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--ignore-installed", "--no-deps", "--only-binary=:all:", "-r", REQUIREMENTS]
    run_tool(command, "see that pip reaches a package index")
