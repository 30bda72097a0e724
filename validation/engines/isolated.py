"""Runs an engine in its own process, so that an artifact that crashes or hangs it harms nothing else."""

import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

import numpy as np

from validation.artifacts.artifact import Artifact
from validation.documents.verdicts import Unavailable
from validation.engines import open_first
from validation.engines.base import Engine
from validation.engines.openers import Opener
from validation.engines.processes.child_process import (
    START_ALLOWANCE,
    TEXT_LENGTH,
    Child,
    answer_requests,
    describe,
    settle_in,
    spawn,
    until_parent_closes,
)
from validation.engines.processes.standalone.messages import send

if TYPE_CHECKING:  # the child redirects its output before it imports torch
    from torch import Tensor

    from converters.prompt_slots import SlotPrompt


class IsolatedEngine:
    """An ``Engine`` that runs in a child process; use it in a ``with`` block, or close it.

    Its calls raise the errors of any engine. They also raise EngineDiedError if the child crashes, gives no
    answer in time, or gives an invalid answer. The child is then gone, and every later call raises the same
    error again.

    Attributes:
        name: name of the engine in the child process.
    """

    def __init__(self, name: str, child: Child) -> None:
        """Take a child that has loaded an artifact; ``open_isolated`` does this."""
        self.name = name
        self._child = child

    def encode(self, frame: "Tensor") -> "Tensor":
        (image_embeddings,) = self._run("encode", "image encoder", [frame], 1)
        return image_embeddings

    def decode(self, image_embeddings: "Tensor", prompt: "SlotPrompt") -> "tuple[Tensor, Tensor]":
        tensors = image_embeddings, *prompt.tensors
        low_res_masks, iou_predictions = self._run("decode", "mask decoder", tensors, 2)
        return low_res_masks, iou_predictions

    def close(self) -> None:
        """End the child, within five seconds."""
        self._child.close()

    def __enter__(self) -> "IsolatedEngine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(
        self, operation: str, during: str, tensors: "Sequence[Tensor]", count: int
    ) -> "list[Tensor]":
        import torch

        arrays = [tensor.detach().numpy() for tensor in tensors]
        _, answers = self._child.ask(during, {"operation": operation}, arrays, count)
        return [torch.from_numpy(answer) for answer in answers]


def open_isolated(
    artifact: Artifact,
    openers: Sequence[Opener],
    time_limit: float,
    memory_limit: int | None = None,
) -> IsolatedEngine | Unavailable:
    """Open an engine in a child process, which computes with as many threads as torch has in this process.

    As with any child that ``multiprocessing`` spawns, a script that calls this has to guard its top level
    with ``if __name__ == "__main__"``.

    Args:
        artifact: the artifact to load.
        openers: the openers that ``engine_openers`` returns; the first engine that this machine has is used.
        time_limit: seconds for each call; the start may take two minutes more.
        memory_limit: bytes of address space (RLIMIT_AS), of which torch alone takes some GB; None sets no
            limit. Only Linux enforces it.

    Returns:
        The engine, or why this machine has none.

    Raises:
        ArtifactError: the engine cannot load the artifact.
        EngineDiedError: the engine crashed or hung while it loaded the artifact.
    """
    import torch

    arguments = (artifact, tuple(openers), torch.get_num_threads(), memory_limit)
    child = Child(*spawn(_serve, arguments), time_limit, memory_limit)
    try:
        answer, _ = child.ask("start", None, (), 0, allowance=START_ALLOWANCE)
    except BaseException:
        child.close()
        raise
    if "unavailable" in answer:
        child.close()
        return Unavailable(str(answer["unavailable"]))
    return IsolatedEngine(str(answer.get("name")), child)


# The child's side


def _serve(
    connection: Connection,
    artifact: Artifact,
    openers: Sequence[Opener],
    threads: int,
    memory_limit: int | None,
) -> None:
    """Open an engine and answer requests until the parent closes the pipe."""
    settle_in()
    import torch

    torch.set_num_threads(threads)
    _limit_memory(memory_limit)
    with until_parent_closes():
        engine = _open(connection, artifact, openers)
        if engine is not None:
            answer_requests(
                connection,
                lambda request, arrays: ({}, _answer(engine, request["operation"], arrays)),
            )


def _limit_memory(memory_limit: int | None) -> None:
    if memory_limit is None or sys.platform != "linux":
        return
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_AS)
    allowed = memory_limit if most == resource.RLIM_INFINITY else min(memory_limit, most)
    resource.setrlimit(resource.RLIMIT_AS, (allowed, most))


def _open(connection: Connection, artifact: Artifact, openers: Sequence[Opener]) -> Engine | None:
    """Open an engine and send its name to the parent; if that fails, send the reason and return None."""
    try:
        engine = open_first(artifact, openers)
    except Exception as error:
        send(connection, describe(error))
        return None
    if isinstance(engine, Unavailable):
        send(connection, {"unavailable": engine.reason[:TEXT_LENGTH]})
        return None
    send(connection, {"name": engine.name})
    return engine


def _answer(engine: Engine, operation: str, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    import torch

    from converters.prompt_slots import SlotPrompt

    tensors = [torch.from_numpy(array) for array in arrays]
    if operation == "encode":
        outputs = (engine.encode(*tensors),)
    else:
        image_embeddings, *prompt = tensors
        outputs = engine.decode(image_embeddings, SlotPrompt(*prompt))
    return [output.detach().numpy() for output in outputs]
