"""What an environment is, where it lies, and how it is made: whole, or not at all."""

import hashlib
import shutil
import subprocess
import time
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from reference.common.cache import CACHE_VARIABLE, cache_folder
from reference.common.errors import MobileSAMError

RECIPES = Path(__file__).parent / "recipes"
TOOL_LIMIT = 3600.0  # seconds for one program of a set-up: 2 GB, on a slow connection
_STALE = (
    24 * 3600.0
)  # seconds; no set-up takes a day: what is older was left by one that was killed

Report = Callable[[str], None]


class SetupError(MobileSAMError):
    """An environment that cannot be set up."""


class Environment(ABC):
    """A Python of its own, with torch and numpy.

    Attributes:
        name: what ``--engine`` and ``--target`` call it.
        label: what it is, behind "lite interpreter of torch VERSION".
        torch_version: the version that it has.
        counts: whether it can count the instructions that it executes.
        recipe: the files that say what it is made of; another recipe makes another environment.
    """

    name: str
    label: str
    torch_version: str
    counts: bool
    recipe: tuple[Path, ...]

    @property
    def folder(self) -> Path:
        """Where it lies once it is set up: in the cache."""
        return cache_folder() / "environments" / f"{self._slug}-{self._fingerprint()}"

    def missing(self) -> str | None:
        """What this machine lacks for it, in words that follow "NOT RUN: "; None if nothing."""
        obstacle = self.obstacle()
        if obstacle is not None:
            return obstacle
        if not self.folder.is_dir():
            return f"{self.name} is not set up here: run 'validate setup {self.name}'"
        return None

    @abstractmethod
    def obstacle(self) -> str | None:
        """Why it cannot be had on this machine, in words that follow "NOT RUN: "; None if it can."""

    @abstractmethod
    def build(self, folder: Path, report: Report) -> None:
        """Make it in ``folder``, which is new; ``report`` is told each step. Raises SetupError."""

    @abstractmethod
    def command(self, folder: Path, counts: Path | None = None) -> list[str]:
        """Runs a Python script, if its path and arguments are appended.

        Args:
            folder: where it was built.
            counts: a file that the executed instructions are counted into; None: nobody counts.
        """

    @abstractmethod
    def variables(self, folder: Path, threads: int, counts: Path | None = None) -> dict[str, str]:
        """All environment variables of that command, which has as many threads to compute with."""

    @property
    def _slug(self) -> str:
        return self.name.replace(":", "-")

    def _fingerprint(self) -> str:
        content = b"\0".join(path.read_bytes() for path in self.recipe)
        return hashlib.sha256(content).hexdigest()[:8]

    def remove_others(self) -> None:
        """Remove what earlier recipes made, and what killed set-ups left."""
        folder = self.folder
        for other in folder.parent.glob(f"{self._slug}-*"):
            if other != folder:
                shutil.rmtree(other, ignore_errors=True)
        for part in folder.parent.glob(f".{self._slug}-*.part"):
            if time.time() - part.stat().st_mtime > _STALE:
                shutil.rmtree(part, ignore_errors=True)


def set_up(environment: Environment, check: Callable[[Path], None], report: Report) -> Path:
    """Make an environment, unless it is there; its folder.

    Args:
        environment: which.
        check: run on what was built, before it appears; it raises MobileSAMError.
        report: is told each step.

    Raises:
        SetupError: it cannot be had here, or something failed; nothing is left then.
    """
    obstacle = environment.obstacle()
    if obstacle is not None:
        raise SetupError(f"cannot set up {environment.name}: {obstacle}")
    folder = environment.folder
    if folder.is_dir():
        report("is there already")
        return folder
    try:
        with _part_of(folder) as part:
            environment.build(part, report)
            report("trying it")
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
    """A new folder beside ``folder``; removed in the end if it is still there."""
    part = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.part")
    part.mkdir(parents=True)
    try:
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def run_tool(
    command: Sequence[str | Path], fix: str, variables: Mapping[str, str] | None = None
) -> str:
    """Run a program of a set-up to its end; what it printed.

    Args:
        command: the program and its arguments.
        fix: what to do if it fails, in words.
        variables: its environment variables; None: those of this process.

    Raises:
        SetupError: it failed, or cannot be run.
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
