"""An engine whose scores are the number of threads that it may use."""

import torch

from tests.support.faulty_engines import FaultyEngine


def open_engine(artifact):
    return FaultyEngine(
        lambda: (torch.zeros(1, 4, 64, 64), torch.full((1, 4), float(torch.get_num_threads())))
    )
