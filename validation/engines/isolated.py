"""Runs an engine in its own process, so that an artifact that crashes or hangs it harms nothing else."""

import sys
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

import numpy as np

from reference.common.torch_settings import prepare_torch
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


# A comparison asks about the embeddings of the artifact and of the reference in turn.
KEPT_EMBEDDINGS = 2


class IsolatedEngine:
    """An ``Engine`` that runs in a child process; use it in a ``with`` block, or close it.

    Its calls raise the errors of any engine. They also raise EngineDiedError if the child crashes, gives no
    answer in time, or gives an invalid answer. The child is then gone, and every later call raises the same
    error again.

    Attributes:
        name: name of the engine in the child process.
    """

    def __init__(self, name: str, child: Child, threads: Callable[[], int]) -> None:
        """Take a child that has loaded an artifact, and what tells the number of threads for each answer.

        ``open_isolated`` does this.
        """
        self.name = name
        self._child, self._threads = child, threads
        self._kept: list[Tensor | None] = [None] * KEPT_EMBEDDINGS  # what the child has
        self._sent = 0  # number of embeddings that were sent to it

    def encode(self, frame: "Tensor") -> "Tensor":
        (image_embeddings,) = self._run({"operation": "encode"}, "image encoder", [frame], 1)
        return image_embeddings

    def decode(self, image_embeddings: "Tensor", prompt: "SlotPrompt") -> "tuple[Tensor, Tensor]":
        # Embeddings are by far the largest input, and successive prompts are about the same photo.
        places = [i for i, kept in enumerate(self._kept) if kept is image_embeddings]
        place, new = (
            (places[0], []) if places else (self._sent % KEPT_EMBEDDINGS, [image_embeddings])
        )
        self._sent += len(new)
        self._kept[place] = None  # until the child has it for certain
        request = {"operation": "decode", "embeddings": place}
        low_res_masks, iou_predictions = self._run(
            request, "mask decoder", [*new, *prompt.tensors], 2
        )
        self._kept[place] = image_embeddings
        return low_res_masks, iou_predictions

    def close(self) -> None:
        """End the child, within five seconds."""
        self._child.close()

    def __enter__(self) -> "IsolatedEngine":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(
        self, request: dict, during: str, tensors: "Sequence[Tensor]", count: int
    ) -> "list[Tensor]":
        import torch

        arrays = [tensor.detach().numpy() for tensor in tensors]
        request = {**request, "threads": self._threads()}
        _, answers = self._child.ask(during, request, arrays, count)
        return [torch.from_numpy(answer) for answer in answers]


class StartingEngine:
    """An engine that a child process is loading, while this process does something else.

    One thread may use the engine while another one calls ``kill``; nothing else may be done at the same time.
    """

    def __init__(self, child: Child, threads: Callable[[], int]) -> None:
        """Take a child that has been started; ``start_isolated`` does this."""
        self._child, self._threads = child, threads
        self._is_ready = False

    def ready(self) -> IsolatedEngine | Unavailable:
        """Wait until the engine has loaded the artifact; ``open_isolated`` has the errors."""
        try:
            answer, _ = self._child.ask("start", None, (), 0, allowance=START_ALLOWANCE)
        except BaseException:
            self.close()
            raise
        if "unavailable" in answer:
            self.close()
            return Unavailable(str(answer["unavailable"]))
        self._is_ready = True
        return IsolatedEngine(str(answer.get("name")), self._child, self._threads)

    def close(self) -> None:
        """End the child: at once while it is loading, since it would not notice a request before it is ready."""
        if self._is_ready:
            self._child.close()
        else:
            self._child.kill()

    def kill(self) -> None:
        """End the child at once. A thread that waits for its answer gets EngineDiedError, and closes the engine."""
        self._child.kill_process()


def start_isolated(
    artifact: Artifact,
    openers: Sequence[Opener],
    time_limit: float,
    memory_limit: int | None = None,
    threads: Callable[[], int] | None = None,
) -> StartingEngine:
    """Start to open an engine in a child process; ``open_isolated`` has the other arguments.

    Args:
        threads: returns the number of threads that the child computes with, and is asked again before each answer.
            None takes as many as torch has in this process.
    """
    import torch

    threads = threads or torch.get_num_threads
    arguments = (artifact, tuple(openers), threads(), memory_limit)
    return StartingEngine(Child(*spawn(_serve, arguments), time_limit, memory_limit), threads)


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
    return start_isolated(artifact, openers, time_limit, memory_limit).ready()


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
    prepare_torch()
    import torch

    torch.set_num_threads(threads)
    _limit_memory(memory_limit)
    with until_parent_closes():
        engine = _open(connection, artifact, openers)
        if engine is not None:
            worker = _EngineWorker(engine)
            answer_requests(
                connection,
                lambda request, arrays: ({}, worker.answer(arrays, **request)),
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


class _EngineWorker:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._embeddings: dict[int, Tensor] = {}

    def answer(
        self, arrays: Sequence[np.ndarray], operation: str, threads: int, embeddings: int = 0
    ) -> list[np.ndarray]:
        """Run a module. ``embeddings`` is the place of those that a prompt is about; a request may bring them."""
        import torch

        from converters.prompt_slots import SlotPrompt

        if threads != torch.get_num_threads():
            torch.set_num_threads(threads)
        tensors = [torch.from_numpy(array) for array in arrays]
        if operation == "encode":
            return [self._engine.encode(*tensors).detach().numpy()]
        *new, coords, labels, mask_input, has_mask_input = tensors
        if new:
            (self._embeddings[embeddings],) = new
        prompt = SlotPrompt(coords, labels, mask_input, has_mask_input)
        outputs = self._engine.decode(self._embeddings[embeddings], prompt)
        return [output.detach().numpy() for output in outputs]
