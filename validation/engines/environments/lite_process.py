"""The lite interpreter of an environment, in a child process that answers requests."""

import math
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np

from reference.common.errors import ArtifactError
from validation.artifacts.artifact import Artifact
from validation.engines.base import EngineDiedError
from validation.engines.environments.environment import Environment
from validation.engines.processes import standalone
from validation.engines.processes.child_process import START_ALLOWANCE, Child
from validation.engines.processes.external_program import start_program
from validation.stages import IMAGE_ENCODER, MASK_DECODER

OUTPUTS = {IMAGE_ENCODER: 1, MASK_DECODER: 2}
# Seconds for one answer. A run of the image encoder takes minutes under emulation. A shorter limit is
# enforced on the process that this one belongs to.
TIME_LIMIT = 3600.0
_COUNTS_BYTES = 4096  # size of the file of counts, as in instruction_counter.c
_WORKER = Path(standalone.__file__).with_name("lite_worker.py")


@dataclass(frozen=True)
class Calls:
    """The results of one or more calls of a module.

    Attributes:
        outputs: the outputs of the last call.
        seconds: time of each call, by the clock of this machine.
        instructions: number of instructions that each call executed; empty if they are not counted.
        processor: processor time in seconds that the program has taken since it started.
    """

    outputs: list[np.ndarray]
    seconds: tuple[float, ...]
    instructions: tuple[int, ...]
    processor: float


class LiteProcess:
    """Runs one artifact in an environment; close it, or use it in a ``with`` block.

    Its calls raise ArtifactError if the artifact is to blame, and EngineDiedError if the program crashes,
    hangs, or sends something that is not an answer.

    Attributes:
        pid: process id of the program.
        name: name of the engine for results, as in ``Engine``.
    """

    def __init__(
        self,
        environment: Environment,
        threads: int,
        counting: bool = False,
        folder: Path | None = None,
    ) -> None:
        """Start the program, and wait until it has imported torch.

        Args:
            environment: the environment, which has been set up.
            threads: number of threads that compute.
            counting: whether to count executed instructions.
            folder: folder of an environment that is still being set up; None for any other.

        Raises:
            EngineDiedError: the environment is damaged, or the program does not start.
        """
        folder = environment.folder if folder is None else folder
        self._files = ExitStack()
        counts = self._counts_file() if counting else None
        command = [*environment.command(folder, counts), str(_WORKER)]
        try:
            program, connection = start_program(
                command,
                [str(threads), *([] if counts is None else [str(counts)])],
                environment.variables(folder, threads, counts),
            )
        except OSError as error:
            self._files.close()
            raise EngineDiedError(
                f"the environment {environment.name} is damaged ({error.strerror}): remove "
                f"'{folder}', and run 'validate setup {environment.name}'"
            ) from error
        self.pid = program.pid
        self._child = Child(program, connection, TIME_LIMIT)
        try:
            identity, _ = self._child.ask("start", None, (), 0, START_ALLOWANCE)
        except BaseException:
            self.close()
            raise
        self._counting = counting
        self.name = f"lite interpreter of torch {identity.get('torch')} {environment.label}"

    def load(self, artifact: Artifact) -> tuple[float, float]:
        """Load an artifact's two files.

        Returns:
            The time that loading took, and the processor time of the program so far, both in seconds.
        """
        files = {name: str(path.resolve()) for name, path in artifact.components.items()}
        request = {"operation": "load", **files}
        answer, _ = self._ask(str(artifact.folder), request, (), 0)
        return answer["seconds"][0], answer["processor"]

    def run(self, component: str, inputs: Sequence[np.ndarray], calls: int = 1) -> Calls:
        """Call a module ``calls`` times, with the same inputs each time.

        Args:
            component: "image_encoder" or "mask_decoder".
            inputs: its inputs, as float32 arrays.
            calls: number of calls.
        """
        request = {"operation": component, "calls": calls}
        during = component.replace("_", " ")
        answer, outputs = self._ask(during, request, inputs, OUTPUTS[component])
        counts = answer.get("instructions") if self._counting else []
        if not isinstance(counts, list) or not all(type(n) is int and n > 0 for n in counts):
            self._refuse(during)
        if len(answer["seconds"]) != calls or len(counts) != (calls if self._counting else 0):
            self._refuse(during)
        return Calls(outputs, tuple(answer["seconds"]), tuple(counts), answer["processor"])

    def close(self) -> None:
        """End the program."""
        self._child.close()
        self._files.close()

    def __enter__(self) -> "LiteProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _counts_file(self) -> Path:
        folder = self._files.enter_context(tempfile.TemporaryDirectory(prefix="instructions-"))
        path = Path(folder) / "counts"
        path.write_bytes(bytes(_COUNTS_BYTES))
        return path

    def _ask(
        self, during: str, request: dict, inputs: Sequence[np.ndarray], outputs: int
    ) -> tuple[dict, list[np.ndarray]]:
        try:
            answer, arrays = self._child.ask(during, request, inputs, outputs)
        except EngineDiedError:
            raise
        except ArtifactError as error:
            raise ArtifactError(
                f"{during}: the {self.name} cannot run it ({error}); convert again"
            ) from error
        if not _are_times(answer.get("seconds")) or not _are_times([answer.get("processor")]):
            self._refuse(during)
        return answer, arrays

    def _refuse(self, during: str) -> NoReturn:
        self.close()
        raise EngineDiedError(f"{during}: the engine gave an invalid answer")


def _are_times(values: object) -> bool:
    return (
        isinstance(values, list)
        and bool(values)
        and all(isinstance(value, float) and 0 <= value < math.inf for value in values)
    )
