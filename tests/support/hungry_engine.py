"""An engine that uses 400 MB for a moment, each time it encodes."""

import numpy as np

from tests.support.faulty_engines import FaultyEngine


class HungryEngine(FaultyEngine):
    name = "hungry"

    def encode(self, frame):
        np.ones(400_000_000, np.uint8)
        return super().encode(frame)


def open_engine(artifact):
    return HungryEngine(fault=lambda: None)
