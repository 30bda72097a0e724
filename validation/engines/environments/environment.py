"""The definition of an environment, its place in the cache, and its building: completely or not at all."""

import hashlib
import platform
import shutil
import subprocess
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from reference.common.cache import CACHE_VARIABLE, cache_folder
from reference.common.errors import MobileSAMError
from reference.common.progress import OnStep

RECIPES = Path(__file__).parent / "recipes"
TOOL_LIMIT = 3600.0  # seconds for one program of a set-up, enough for 2 GB on a slow connection
# Seconds. No set-up takes a day, so an older unfinished one was killed.
_STALE = 24 * 3600.0


class SetupError(MobileSAMError):
    """An environment cannot be set up."""


class Machine(NamedTuple):
    """A kind of machine: the names that ``platform.system`` and ``platform.machine`` give."""

    system: str
    processor: str


THIS_MACHINE = Machine(platform.system(), platform.machine())


class Environment(ABC):
    """A separate Python with torch and numpy.

    Attributes:
        name: its name for ``--engine`` and ``--target``.
        label: description that follows "lite interpreter of torch VERSION" in an engine's name.
        torch_version: its version of torch.
        counts: whether it can count the instructions that it executes.
        recipe: the files that list its contents; a changed recipe makes a new environment.
    """

    name: str
    label: str
    torch_version: str
    counts: bool
    recipe: tuple[Path, ...]

    def __init__(self, machine: Machine = THIS_MACHINE) -> None:
        """Describe the environment of a machine. Only this machine's can be built."""
        self._machine = machine

    @property
    def folder(self) -> Path:
        """The environment's folder in the cache, which exists once the environment is set up."""
        return cache_folder() / "environments" / f"{self._slug}-{self._fingerprint()}"

    def missing(self) -> str | None:
        """Say why the environment cannot be used now, in words that follow "NOT RUN: "; None if it can."""
        obstacle = self.obstacle()
        if obstacle is not None:
            return obstacle
        if not self.folder.is_dir():
            return f"{self.name} is not set up here: run 'validate setup {self.name}'"
        return None

    @abstractmethod
    def obstacle(self) -> str | None:
        """Say why this machine cannot set it up, in words that follow "NOT RUN: "; None if it can."""

    @abstractmethod
    def build(self, folder: Path, on_step: OnStep) -> None:
        """Build it in a new folder.

        Args:
            folder: the folder, which exists and is empty.
            on_step: called with a description of each step.

        Raises:
            SetupError: a step failed.
        """

    @abstractmethod
    def command(self, folder: Path, counts: Path | None = None) -> list[str]:
        """The command that runs a Python script, once its path and arguments are appended.

        Args:
            folder: folder in which the environment was built.
            counts: file in which to count the executed instructions; None does not count them.
        """

    @abstractmethod
    def variables(self, folder: Path, threads: int, counts: Path | None = None) -> dict[str, str]:
        """Return all environment variables of the command.

        Args:
            folder: folder in which the environment was built.
            threads: number of threads that compute.
            counts: file in which to count the executed instructions; None does not count them.
        """

    @property
    def _slug(self) -> str:
        return self.name.replace(":", "-")

    def _fingerprint(self) -> str:
        content = b"\0".join(path.read_bytes() for path in self.recipe)
        return hashlib.sha256(content).hexdigest()[:8]

    def remove_others(self) -> None:
        """Remove environments of earlier recipes, and the remains of set-ups that were killed."""
        folder = self.folder
        for other in folder.parent.glob(f"{self._slug}-*"):
            if other != folder:
                shutil.rmtree(other, ignore_errors=True)
        for part in folder.parent.glob(f".{self._slug}-*.part"):
            if time.time() - part.stat().st_mtime > _STALE:
                shutil.rmtree(part, ignore_errors=True)


def set_up(environment: Environment, check: Callable[[Path], None], on_step: OnStep) -> Path:
    """Build an environment, unless it exists.

    Args:
        environment: the environment to build.
        check: called with the folder that was built, before the environment appears; it raises
            MobileSAMError if the environment does not work.
        on_step: called with a description of each step.

    Returns:
        The folder of the environment.

    Raises:
        SetupError: this machine cannot have the environment, or a step failed. Nothing is left behind.
    """
    obstacle = environment.obstacle()
    if obstacle is not None:
        raise SetupError(f"cannot set up {environment.name}: {obstacle}")
    folder = environment.folder
    if folder.is_dir():
        on_step("is there already")
        return folder
    try:
        with _part_of(folder) as part:
            environment.build(part, on_step)
            on_step("trying it")
            check(part)
            if not folder.is_dir():  # another process may have been faster
                part.rename(folder)
        environment.remove_others()
    except SetupError as error:
        raise SetupError(f"cannot set up {environment.name}: {error}") from error
    except OSError as error:
        raise SetupError(
            f"cannot set up {environment.name} in '{folder.parent}' ({error.strerror or error}): set "
            f"{CACHE_VARIABLE} to another folder"
        ) from error
    return folder


@contextmanager
def _part_of(folder: Path) -> Iterator[Path]:
    """A new folder beside ``folder``, which is removed at the end if it still exists."""
    part = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.part")
    part.mkdir(parents=True)
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def run_tool(
    command: Sequence[str | Path], fix: str, variables: Mapping[str, str] | None = None
) -> str:
    """Run a program of a set-up to its end.

    Args:
        command: the program and its arguments.
        fix: what the user can do if it fails, for the error message.
        variables: its environment variables; None takes those of this process.

    Returns:
        The text that it printed to stdout.

    Raises:
        SetupError: the program failed, took too long, or cannot be run.
    """
    program = Path(command[0]).name
    try:
        done = subprocess.run(
            command,
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TOOL_LIMIT,
        )
    except subprocess.TimeoutExpired:
        raise SetupError(f"{program} took longer than {TOOL_LIMIT:g} s: {fix}") from None
    except OSError as error:
        raise SetupError(f"{program} cannot be run ({error.strerror or error}): {fix}") from None
    if done.returncode != 0:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        said = f" ({lines[-1]})" if lines else ""
        raise SetupError(f"{program} ended with status {done.returncode}{said}: {fix}")
    return done.stdout
