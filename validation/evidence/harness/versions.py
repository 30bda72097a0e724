"""Two versions of the project, which run with the same Python and the same libraries."""

import io
import json
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reference.common.cache import CACHE_VARIABLE
from reference.common.errors import MobileSAMError
from validation.evidence.page import CHECKOUT

_STANDALONE = Path(__file__).parent / "standalone"
_LAST_CHARACTERS = 300  # of the output of a program that failed


class HarnessError(MobileSAMError):
    """A version cannot be unpacked, or one of its programs failed."""


@dataclass(frozen=True)
class Version:
    """A version of the project.

    Attributes:
        name: "old" or "new".
        root: the folder that has its packages.
    """

    name: str
    root: Path

    def seconds(
        self, package: str, *arguments: object, cache: Path, statuses: Sequence[int] = (0,)
    ) -> float:
        """Run a command of this version, and return the seconds from its start to its end.

        Args:
            package: the package of the command, such as ``"converters"``.
            arguments: the arguments of the command.
            cache: the cache folder of the command.
            statuses: the exit statuses that are expected.

        Raises:
            HarnessError: the command ended with another status.
        """
        begun = time.perf_counter()
        self._run(["-m", package, *map(str, arguments)], cache, statuses)
        return time.perf_counter() - begun

    def figures(self, program: str, *arguments: object, cache: Path) -> dict:
        """Run a program of ``standalone`` in this version, and return the JSON object that it prints.

        Raises:
            HarnessError: the program failed.
        """
        command = [str(_STANDALONE / f"{program}.py"), *map(str, arguments)]
        return json.loads(self._run(command, cache, (0,)).splitlines()[-1])

    def _run(self, command: list[str], cache: Path, statuses: Sequence[int]) -> str:
        variables = {"PYTHONPATH": str(self.root), CACHE_VARIABLE: str(cache)}
        done = subprocess.run(
            [sys.executable, *command],
            cwd=cache,
            env=os.environ | variables,
            capture_output=True,
            text=True,
        )
        if done.returncode not in statuses:
            output = " ".join((done.stderr or done.stdout).split())[-_LAST_CHARACTERS:]
            raise HarnessError(
                f"{self.name} version: {' '.join(command[:4])} … ended with status {done.returncode}: {output}"
            )
        return done.stdout


def unpack(commit: str, folder: Path) -> Version:
    """Unpack the files of a commit into ``folder``, and return them as the old version.

    Raises:
        HarnessError: there is no git, or it does not know the commit.
    """
    command = ["git", "-C", str(CHECKOUT), "archive", "--format=tar", commit]
    try:
        done = subprocess.run(command, capture_output=True)
    except FileNotFoundError:
        raise HarnessError("the old version needs git: install it") from None
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip().splitlines()[-1]
        raise HarnessError(
            f"commit '{commit}' cannot be unpacked ({reason}): expected a commit of a checkout with its history"
        )
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return Version("old", folder)
