"""How many threads a test module's torch works with."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """One, for a module that imports this and works on small tensors.

    On a busy machine, two threads wait for each other longer than the work takes.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
