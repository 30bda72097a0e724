"""An engine in a process of its own, so that an artefact that crashes or hangs it harms nothing else.

Parent and child talk through a pipe, without pickle: a JSON header, then the float32 tensors whose
shapes it lists. What a crashing child says is not trusted: the parent bounds whatever it reads.
"""

import contextlib
import json
import math
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterable, Sequence
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

import numpy as np

from reference.command_line import TORCH_ALLOCATOR
from reference.errors import ArtifactError, MobileSAMError
from validation.artifact import Artifact
from validation.engines import open_first
from validation.engines.base import Engine, EngineDiedError, Unavailable

if TYPE_CHECKING:  # the child redirects its output before it imports torch
    from torch import Tensor

    from converters.prompt_slots import SlotPrompt

_START_ALLOWANCE = 120.0  # seconds to import torch on a busy machine, on top of the time limit
_END_ALLOWANCE = 5.0  # seconds to end after being asked to
_HEADER_BYTES = 1 << 16
_TEXT_LENGTH = 4000  # characters of an error; JSON takes up to 12 bytes for one
_TENSOR_BYTES = 1 << 28  # a full-size frame has 12 MB
_TENSORS = 8  # per message; a decoder's request has five
_DIMENSIONS = 8  # per tensor
_FLOAT32 = np.dtype("<f4")


class IsolatedEngine:
    """An ``Engine`` that runs in a child process; use it in a ``with`` block, or close it.

    Besides what any engine raises, its calls raise EngineDiedError when the child crashes, gives no
    answer in time, or none that makes sense. The child is gone then, and every later call raises
    the same error again.
    """

    def __init__(self, name: str, child: "_Child") -> None:
        """For ``open_isolated``."""
        self.name = name
        self._child = child

    def encode(self, frame: "Tensor") -> "Tensor":
        """See ``Engine``."""
        (image_embeddings,) = self._run("encode", "image encoder", [frame], 1)
        return image_embeddings

    def decode(self, image_embeddings: "Tensor", prompt: "SlotPrompt") -> "tuple[Tensor, Tensor]":
        """See ``Engine``."""
        tensors = (
            image_embeddings,
            prompt.point_coords,
            prompt.point_labels,
            prompt.mask_input,
            prompt.has_mask_input,
        )
        low_res_masks, iou_predictions = self._run("decode", "mask decoder", tensors, 2)
        return low_res_masks, iou_predictions

    def close(self) -> None:
        """End the child, at the latest after five seconds."""
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
    targets: Sequence[str],
    time_limit: float,
    memory_limit: int | None = None,
) -> IsolatedEngine | Unavailable:
    """``open_first`` in a child process, which computes with as many threads as torch has here.

    As with any child of ``multiprocessing``'s spawn method, a script that calls this guards its
    top level with ``if __name__ == "__main__"``.

    Args:
        artifact: what the engine shall run.
        targets: from ``engine_targets``.
        time_limit: seconds for each call; two minutes more for the start.
        memory_limit: bytes of address space (RLIMIT_AS), of which torch alone takes some GB; only
            Linux enforces it. None: no limit.

    Raises:
        ArtifactError: as ``open_first``.
        EngineDiedError: the engine crashed or hung while it loaded the artefact.
    """
    child = _Child(artifact, targets, time_limit, memory_limit)
    try:
        answer, _ = child.ask("start", None, (), 0, allowance=_START_ALLOWANCE)
    except BaseException:
        child.close()
        raise
    if "unavailable" in answer:
        child.close()
        return Unavailable(str(answer["unavailable"]))
    return IsolatedEngine(str(answer.get("name")), child)


class _Child:
    """The parent's side of one child process."""

    def __init__(
        self,
        artifact: Artifact,
        targets: Sequence[str],
        time_limit: float,
        memory_limit: int | None,
    ) -> None:
        import torch

        self._time_limit, self._memory_limit = time_limit, memory_limit
        self._failure: str | None = None
        # Not fork: in a copy of a process with torch's threads, the next computation can deadlock.
        context = multiprocessing.get_context("spawn")
        self._connection, far_end = context.Pipe()
        self._process = context.Process(
            target=_serve,
            args=(far_end, artifact, tuple(targets), torch.get_num_threads(), memory_limit),
            daemon=True,  # also ended when an exception ends the parent
        )
        self._process.start()
        far_end.close()  # the child's end of the pipe is then the only one, and its death shows

    def ask(
        self,
        during: str,
        request: dict | None,
        arrays: Iterable[np.ndarray],
        count: int,
        allowance: float = 0.0,
    ) -> tuple[dict, list[np.ndarray]]:
        """Send a request, if any, and wait for an answer with ``count`` arrays."""
        if self._failure is not None:
            raise EngineDiedError(self._failure)
        limit = self._time_limit + allowance
        expired = threading.Event()
        # Killing the child ends whatever the parent waits for: to read, to write, half a message.
        deadline = threading.Timer(limit, lambda: (expired.set(), self._process.kill()))
        deadline.start()
        try:
            if request is not None:
                _send(self._connection, request, arrays)
            answer, answers = _receive(self._connection)
        except (EOFError, ConnectionError):
            self._die(during, self._cause_of_death(limit if expired.is_set() else None))
        except (OSError, ValueError, RecursionError) as error:
            # The end in the middle of a message is an OSError as well.
            self._process.join(_END_ALLOWANCE / 10)
            if expired.is_set() or self._process.exitcode is not None:
                self._die(during, self._cause_of_death(limit if expired.is_set() else None))
            self._die(during, f"gave an answer that makes no sense ({_first_line(error)})")
        except BaseException:  # interrupted in the middle of a message: no more can be sent
            self._die_quietly(f"{during}: the engine was interrupted")
            raise
        finally:
            deadline.cancel()
        if answer.get("error") == "artifact":
            raise ArtifactError(str(answer.get("text")))
        if answer.get("error") == "memory":
            self._die(during, self._out_of_memory())
        if "error" in answer:
            self._die(during, f"failed ({answer.get('text')})")
        if len(answers) != count:
            self._die(during, f"gave {len(answers)} tensors: expected {count}")
        return answer, answers

    def close(self) -> None:
        """Let the child end by itself, or kill it; nothing if it is gone."""
        if self._failure is not None:
            return
        self._failure = "the engine is closed: open another one"
        self._connection.close()  # which the child takes for a request to end
        self._process.join(_END_ALLOWANCE)
        self._process.kill()
        self._process.join()

    def _cause_of_death(self, expired_limit: float | None) -> str:
        self._process.join(_END_ALLOWANCE)
        code = self._process.exitcode
        if expired_limit is not None:
            return f"gave no answer within {expired_limit:g} s"
        if code is None:
            return "broke the connection"
        if code < 0:
            return f"crashed ({signal.Signals(-code).name})"
        return f"ended by itself (exit status {code})"

    def _out_of_memory(self) -> str:
        if self._memory_limit is None:
            return "ran out of memory"
        return f"ran out of memory (limit {self._memory_limit / 1e9:.1f} GB)"

    def _die(self, during: str, what: str) -> None:
        self._die_quietly(f"{during}: the engine {what}")
        raise EngineDiedError(self._failure)

    def _die_quietly(self, failure: str) -> None:
        self._failure = failure
        self._process.kill()
        self._process.join()
        self._connection.close()


# The child's side


def _serve(
    connection: Connection,
    artifact: Artifact,
    targets: Sequence[str],
    threads: int,
    memory_limit: int | None,
) -> None:
    """Open an engine and answer requests until the parent closes the pipe."""
    os.dup2(2, 1)  # stdout may be a document of the parent's
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    import torch

    torch.set_num_threads(threads)
    _limit_memory(memory_limit)
    with contextlib.suppress(EOFError, ConnectionError):
        engine = _open(connection, artifact, targets)
        while engine is not None:
            request, arrays = _receive(connection)
            try:
                outputs = _answer(engine, request["operation"], arrays)
            except Exception as error:
                _send(connection, _describe(error))
            else:
                _send(connection, {}, outputs)


def _limit_memory(memory_limit: int | None) -> None:
    if memory_limit is None or sys.platform != "linux":
        return
    import resource

    _, most = resource.getrlimit(resource.RLIMIT_AS)
    allowed = memory_limit if most == resource.RLIM_INFINITY else min(memory_limit, most)
    resource.setrlimit(resource.RLIMIT_AS, (allowed, most))


def _open(connection: Connection, artifact: Artifact, targets: Sequence[str]) -> Engine | None:
    """The engine, or None; the parent is told either way."""
    try:
        engine = open_first(artifact, targets)
    except Exception as error:
        _send(connection, _describe(error))
        return None
    if isinstance(engine, Unavailable):
        _send(connection, {"unavailable": engine.reason[:_TEXT_LENGTH]})
        return None
    _send(connection, {"name": engine.name})
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


def _describe(error: Exception) -> dict:
    if isinstance(error, MemoryError) or TORCH_ALLOCATOR in str(error):
        return {"error": "memory"}
    if isinstance(error, MobileSAMError):
        return {"error": "artifact", "text": str(error)[:_TEXT_LENGTH]}
    return {"error": "other", "text": f"{type(error).__name__}: {_first_line(error)}"}


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:_TEXT_LENGTH]


# Messages


def _send(connection: Connection, header: dict, arrays: Iterable[np.ndarray] = ()) -> None:
    arrays = [np.ascontiguousarray(array, _FLOAT32) for array in arrays]
    shapes = [list(array.shape) for array in arrays]
    connection.send_bytes(json.dumps({**header, "shapes": shapes}).encode())
    for array in arrays:
        connection.send_bytes(array.reshape(-1).view(np.uint8).data)


def _receive(connection: Connection) -> tuple[dict, list[np.ndarray]]:
    """A message's header and arrays.

    Raises:
        EOFError, ConnectionError: the other side is gone.
        OSError, ValueError, RecursionError: what it sent is no message.
    """
    header = json.loads(connection.recv_bytes(_HEADER_BYTES))
    shapes = header.get("shapes") if isinstance(header, dict) else None
    if not isinstance(shapes, list) or len(shapes) > _TENSORS:
        raise ValueError("a header without shapes")
    return header, [_receive_array(connection, shape) for shape in shapes]


def _receive_array(connection: Connection, shape: object) -> np.ndarray:
    sizes = shape if isinstance(shape, list) and len(shape) <= _DIMENSIONS else [None]
    if not all(type(size) is int and 0 <= size <= _TENSOR_BYTES for size in sizes):
        raise ValueError("a shape that is none")
    expected = math.prod(sizes) * _FLOAT32.itemsize
    if expected > _TENSOR_BYTES:
        raise ValueError(f"a tensor of {expected} bytes")
    data = connection.recv_bytes(_TENSOR_BYTES)
    if len(data) != expected:
        raise ValueError(f"{len(data)} bytes for a tensor of {expected}")
    return np.frombuffer(data, _FLOAT32).reshape(sizes).astype(np.float32)  # a copy, to write to
