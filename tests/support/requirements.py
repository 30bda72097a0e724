"""What a test requires of the machine that it runs on.

A CI machine has every program and package that can be installed there, so a test that lacks one fails on CI. Elsewhere
the test is skipped, and pytest's summary gives the reason. The environment variable ``CI``, which ``.ci/run`` sets as
most CI services do, tells them apart.

``EXCEPTIONS`` lists what a CI machine may lack. A test may also be for some operating systems only: it is then skipped
on all others, on CI too, by a ``skipif`` that asks for the system or for a function that the system lacks.
"""

import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NoReturn

import pytest

EXCEPTIONS = {
    "arm64": "'validate setup arm64' downloads an emulator and a second torch",
    "runtime:2.1.0": "'validate setup runtime:2.1.0' downloads 2.4 GB",
    "ultralytics": "its environment is downloaded from a package index",
    "CUDA": "a CI machine has no GPU",
    "device nodes": "many containers forbid them",
    "mounts": "many containers forbid them",
    "exchanging folders": "not every file system can do that in one step",
    "quantized engines": "torch has different ones for each processor",
}

off_the_mac = pytest.mark.skipif(sys.platform == "darwin", reason="a Mac has Core ML")


def on_ci() -> bool:
    return os.environ.get("CI", "") not in ("", "0", "false")


def lack(what: str, reason: str) -> NoReturn:
    """End a test that lacks something: it fails on CI, unless EXCEPTIONS has ``what``, and is skipped elsewhere."""
    if on_ci() and what not in EXCEPTIONS:
        pytest.fail(
            f"{reason} (a failure because CI is set: see tests/support/requirements.py)", False
        )
    pytest.skip(f"NOT RUN: {reason}")


def require_tool(program: str, fix: str) -> str:
    """Return the path of a program, or end the test; ``fix`` tells the user how to install it."""
    return shutil.which(program) or lack(program, f"no {program}: {fix}")


def require_package(name: str) -> None:
    """End the test if a Python package of the extra ``test`` is not installed."""
    if find_spec(name) is None:
        lack(name, f"{name} is not installed: pip install -e '.[test]'")


def needs_path(path: str) -> pytest.MarkDecorator:
    """A mark for tests of a path that Linux has, such as ``/dev/full``; it may be missing on other systems."""
    absent = not Path(path).exists() and not (on_ci() and sys.platform == "linux")
    return pytest.mark.skipif(absent, reason=f"NOT RUN: no {path} here")
