"""An engine whose name tells the number of threads and the cores that its process may use."""

import os

import torch

from tests.support.faulty_engines import FaultyEngine


def open_engine(artifact):
    engine = FaultyEngine(fault=lambda: None)
    engine.name = f"{torch.get_num_threads()} threads on {sorted(os.sched_getaffinity(0))}"
    return engine
