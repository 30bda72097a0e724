"""Runs an artifact's two ``.ptl`` files in the lite interpreter of the Python that runs this script.

    python lite_worker.py CONNECTION THREADS [COUNTS]

CONNECTION is the number of an open file descriptor. The script sends its identity, or why it cannot start. It
then answers requests until the other side closes the connection:

    load           {image_encoder, mask_decoder: paths} → {seconds, processor}
    image_encoder  {calls} and its input → {seconds, instructions, processor} and its output
    mask_decoder   {calls} and its inputs → {seconds, instructions, processor} and its outputs

``seconds`` has the time of each call. ``instructions`` has the number that each call executed, if the emulator counts
them in the file COUNTS, else null. ``processor`` is the processor time of the script so far, in seconds.
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

_COUNTERS = "512Q"  # one counter for each virtual processor, as in instruction_counter.c
_PR_SET_PDEATHSIG = 1  # a constant of prctl(2)
_TEXT_LENGTH = 4000  # characters of an error message
_ALLOCATOR = "DefaultCPUAllocator"  # in torch's message when memory runs out


def main(descriptor: str, threads: str, counts: str | None = None) -> None:
    """Answer requests until the parent closes the connection; the module's docstring has the arguments."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    if sys.platform == "linux":  # so that this script also ends when its parent is killed
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    connection = Connection(int(descriptor))
    try:
        worker = _LiteWorker(int(threads), counts)
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


class _LiteWorker:
    def __init__(self, threads: int, counts: str | None) -> None:
        # Imported here, so that a failure is reported to the parent.
        import torch
        from torch.jit.mobile import _load_for_lite_interpreter

        torch.set_num_threads(threads)
        gc.disable()  # collections happen at other moments in each run, and disturb the measurement
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

    def _load(self, image_encoder: str, mask_decoder: str) -> dict:
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
    """A function that returns the number of instructions this process has executed; None if they are not counted."""
    if path is None:
        return lambda: None
    with Path(path).open("rb") as file:
        counts = mmap.mmap(file.fileno(), struct.calcsize(_COUNTERS), prot=mmap.PROT_READ)
    return lambda: sum(struct.unpack(_COUNTERS, counts))


def _describe(error: Exception) -> dict:
    """The header of a message that reports an error. Errors of torch are taken as errors of the artifact."""
    text = (str(error).strip() or type(error).__name__).splitlines()[0][:_TEXT_LENGTH]
    if isinstance(error, MemoryError) or _ALLOCATOR in str(error):
        return {"error": "memory"}
    if isinstance(error, RuntimeError):
        return {"error": "artifact", "text": text}
    return {"error": "other", "text": f"{type(error).__name__}: {text}"}


if __name__ == "__main__":
    main(*sys.argv[1:])
