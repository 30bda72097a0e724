"""Makes a separate Python environment for the peers, so that their packages do not mix with ours."""

import hashlib
import os
import sys
import sysconfig
import venv
from collections.abc import Mapping
from pathlib import Path

from reference.common.cache import cache_folder
from reference.common.errors import MobileSAMError
from reference.common.progress import OnStep
from validation.engines.environments.environment import run_tool

REQUIREMENTS = Path(__file__).with_name("requirements.txt")
_READY = "ready"  # a file that is written last; without it the environment is incomplete


class PeersError(MobileSAMError):
    """The peers cannot be installed or compared."""


def default_folder() -> Path:
    """Return the environment's folder in the cache, one per list of packages and Python."""
    recipe = REQUIREMENTS.read_bytes() + sys.executable.encode()
    return cache_folder() / "environments" / f"peers-{hashlib.sha256(recipe).hexdigest()[:12]}"


def prepare(folder: Path, on_step: OnStep) -> Path:
    """Make the environment unless it exists, and return its interpreter.

    The environment also sees the project's own packages, so that all programs use the same torch.

    Raises:
        PeersError: the folder is not such an environment, or cannot be written.
        SetupError: the packages cannot be installed.
    """
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if (folder / _READY).is_file():
        return python
    if folder.exists() and not (folder / "pyvenv.cfg").is_file():
        raise PeersError(
            f"{folder}: is not an environment of this command: name another --environment"
        )
    on_step(f"installing ultralytics, onnx and onnxruntime into {folder}")
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
    """Return the environment variables for the processes. ultralytics then neither downloads nor reports."""
    return {
        **_without_noise(os.environ),
        "YOLO_OFFLINE": "true",
        "YOLO_CONFIG_DIR": str(folder),
        "YOLO_VERBOSE": "false",
        "YOLO_AUTOINSTALL": "false",
    }


def _without_noise(given: Mapping[str, str]) -> dict[str, str]:
    """Remove the settings of other ultralytics installations, and those of threads."""
    return {
        name: value
        for name, value in given.items()
        if not name.startswith(("YOLO_", "OMP_", "MKL_", "ORT_"))
    }


def _add_own_packages(folder: Path) -> None:
    """Add the project's packages with addsitedir, which follows the links of editable installations."""
    base = {"base": str(folder), "platbase": str(folder)}
    packages = Path(sysconfig.get_path("purelib", vars=base))
    own = {sysconfig.get_path(name) for name in ("purelib", "platlib")}
    lines = [f"import site; site.addsitedir({path!r})" for path in sorted(own)]
    (packages / "project.pth").write_text("\n".join(lines) + "\n")


def _install(python: Path) -> None:
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    command += ["--ignore-installed", "--no-deps", "--only-binary=:all:", "-r", REQUIREMENTS]
    run_tool(command, "see that pip reaches a package index")
