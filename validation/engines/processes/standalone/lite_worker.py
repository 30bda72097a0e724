"""Runs an artifact's two ``.ptl`` files in the lite interpreter of the Python that runs this script.

    python lite_worker.py CONNECTION THREADS [COUNTS]

CONNECTION is the number of an open file descriptor. The script says what it is, or why it cannot be, and
then answers requests until the other side closes the connection:

    load           {image_encoder, mask_decoder: paths; backend: of quantized operators, or null} → {seconds}
    image_encoder  {calls} and its input → {seconds, instructions, processor} and its output
    mask_decoder   {calls} and its inputs → {seconds, instructions, processor} and its outputs

``seconds`` has the time of each call, and ``instructions`` how many were executed, if the emulator counts
them into the file COUNTS.
"""

import ctypes
import gc
import mmap
import platform
import signal
import struct
import sys
import time
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection
from pathlib import Path

from messages import receive, send

_COUNTERS = "512Q"  # one for each virtual processor; instruction_counter.c
_PR_SET_PDEATHSIG = 1  # prctl(2)
_TEXT_LENGTH = 4000  # characters of an error
_ALLOCATOR = "DefaultCPUAllocator"  # torch names it when memory runs out


def main(descriptor: str, threads: str, counts: str | None = None) -> None:
    """See the module."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    if sys.platform == "linux":  # a parent that is killed leaves nobody behind
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    connection = Connection(int(descriptor))
    try:
        worker = _Worker(int(threads), counts)
    except Exception as error:
        send(connection, _describe(error))
        return
    send(connection, worker.identity)
    try:
        while True:
            request, arrays = receive(connection)
            try:
                answer, outputs = worker.answer(request, arrays)
            except Exception as error:
                send(connection, _describe(error))
            else:
                send(connection, answer, outputs)
    except (EOFError, ConnectionError):
        pass  # the parent closed the connection


class _Worker:
    def __init__(self, threads: int, counts: str | None) -> None:
        import torch  # here, so that the parent is told why it cannot be imported
        from torch.jit.mobile import _load_for_lite_interpreter

        torch.set_num_threads(threads)
        gc.disable()  # its moments differ from run to run
        self._torch, self._load_file = torch, _load_for_lite_interpreter
        self._modules: dict = {}
        self._executed = _instruction_counter(counts)

    @property
    def identity(self) -> dict:
        return {
            "torch": self._torch.__version__.split("+")[0],
            "machine": platform.machine(),
            "counts": self._executed() is not None,
        }

    def answer(self, request: dict, arrays: list) -> tuple[dict, Iterable]:
        operation = request.pop("operation")
        if operation == "load":
            return self._load(**request), ()
        return self._run(self._modules[operation], arrays, **request)

    def _load(self, image_encoder: str, mask_decoder: str, backend: str | None) -> dict:
        # Weights of quantized layers are packed while loading, for the backend of that moment.
        if backend is not None:
            self._torch.backends.quantized.engine = backend
        start = time.perf_counter()
        self._modules = {
            "image_encoder": self._load_file(image_encoder),
            "mask_decoder": self._load_file(mask_decoder),
        }
        return {"seconds": [time.perf_counter() - start], "processor": time.process_time()}

    def _run(self, module: Callable, arrays: list, calls: int) -> tuple[dict, list]:
        tensors = [self._torch.from_numpy(array) for array in arrays]
        seconds, instructions, outputs = [], [], None
        with self._torch.no_grad():
            for _ in range(calls):
                before, start = self._executed(), time.perf_counter()
                outputs = module(*tensors)
                seconds.append(time.perf_counter() - start)
                after = self._executed()
                instructions.append(None if after is None else after - before)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        answer = {
            "seconds": seconds,
            "instructions": instructions,
            "processor": time.process_time(),
        }
        return answer, [output.numpy() for output in outputs]


def _instruction_counter(path: str | None) -> Callable[[], int | None]:
    """How many instructions this process has executed so far; None if nobody counts."""
    if path is None:
        return lambda: None
    with Path(path).open("rb") as file:
        counts = mmap.mmap(file.fileno(), struct.calcsize(_COUNTERS), prot=mmap.PROT_READ)
    return lambda: sum(struct.unpack(_COUNTERS, counts))


def _describe(error: Exception) -> dict:
    """A header that tells the parent of an error; one of torch is taken for the artifact's."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0][:_TEXT_LENGTH]
    if isinstance(error, MemoryError) or _ALLOCATOR in str(error):
        return {"error": "memory"}
    if isinstance(error, RuntimeError):
        return {"error": "artifact", "text": text}
    return {"error": "other", "text": f"{type(error).__name__}: {text}"}


if __name__ == "__main__":
    main(*sys.argv[1:])
