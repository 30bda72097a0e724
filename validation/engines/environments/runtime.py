"""The environment ``runtime:2.1.0``: the last version of torch's lite interpreter that was published for phones."""

import os
import shutil
import sys
from pathlib import Path

from reference.common.progress import OnStep
from validation.engines.environments.environment import RECIPES, Environment, run_tool

_PYTHON = (3, 11)  # the newest version that torch 2.1.0 has wheels for
# Systems and machines that the recipe has wheels for.
_MACHINES = {("Linux", "x86_64"), ("Linux", "aarch64"), ("Darwin", "arm64")}


class Runtime(Environment):
    """A virtual environment with torch 2.1.0, the version of ``pytorch_android_lite`` on phones."""

    name = "runtime:2.1.0"
    label = "(the version that phones have)"
    torch_version = "2.1.0"
    counts = False
    recipe = (RECIPES / "runtime-2.1.0-wheels.txt",)

    def obstacle(self) -> str | None:
        if self._machine not in _MACHINES:
            return (
                f"torch {self.torch_version} is not available for {self._machine.system} on "
                f"{self._machine.processor}: use Linux, or a Mac with Apple silicon"
            )
        if _python() is None:
            return f"torch {self.torch_version} needs Python 3.11: install python3.11"
        return None

    def build(self, folder: Path, on_step: OnStep) -> None:
        on_step(f"a virtual environment with torch {self.torch_version} (2.4 GB to download)")
        run_tool(
            [_python(), "-m", "venv", folder],
            "install the module venv of Python 3.11 (Debian: python3.11-venv)",
        )
        run_tool(
            [_interpreter(folder), "-m", "pip", "install", "--no-deps", "--require-hashes"]
            + ["--only-binary=:all:", "--no-cache-dir", "-r", self.recipe[0]],
            "check that pip reaches a package index, and that 8 GB are free",
        )

    def command(self, folder: Path, counts: Path | None = None) -> list[str]:
        """The command that runs a Python script; it never counts instructions."""
        return [str(_interpreter(folder)), "-E", "-s"]

    def variables(self, folder: Path, threads: int, counts: Path | None = None) -> dict[str, str]:
        return {**os.environ, "OMP_NUM_THREADS": str(threads)}


def _python() -> str | None:
    if sys.version_info[:2] == _PYTHON:
        return sys.executable
    return shutil.which("python3.11")


def _interpreter(folder: Path) -> Path:
    return folder / "bin" / "python"


RUNTIME = Runtime()
