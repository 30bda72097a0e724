"""The processes of a training: one, or several that ``torchrun`` started."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import distributed


@dataclass(frozen=True)
class Processes:
    """The place of this process among the processes that train together.

    Attributes:
        rank: number of this process, from 0.
        count: number of all processes.
        device: device of this process.
    """

    rank: int
    count: int
    device: torch.device

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes files and shows progress."""
        return self.rank == 0

    def wait(self) -> None:
        """Wait until all processes have called this method."""
        if self.count > 1:
            distributed.barrier()


@contextlib.contextmanager
def joined_processes() -> Iterator[Processes]:
    """Join the group that ``torchrun`` describes in the environment, or train alone, on a CUDA GPU if there is one."""
    has_gpu = torch.cuda.is_available()
    rank, count = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    device = torch.device("cpu")
    if has_gpu:
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        torch.cuda.set_device(device)
    if count == 1:
        yield Processes(rank, count, device)
        return
    distributed.init_process_group("nccl" if has_gpu else "gloo")
    try:
        yield Processes(rank, count, device)
    finally:
        distributed.destroy_process_group()
