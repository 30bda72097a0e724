"""Engines that go wrong, each in its own way, for the child process that opens them by name."""

import gc
import os
import signal
import struct
import time
from multiprocessing.connection import Connection

import numpy as np
import torch

from validation.documents.verdicts import Unavailable


class FaultyEngine:
    """Gives sound embeddings, and calls ``fault`` in place of the mask decoder."""

    name = "faulty"

    def __init__(self, fault):
        self._fault = fault

    def encode(self, frame):
        return torch.zeros(1, 64, 16, 16)

    def decode(self, image_embeddings, prompt):
        return self._fault()


def crashing(artifact):
    return FaultyEngine(lambda: os.kill(os.getpid(), signal.SIGSEGV))


def exiting(artifact):
    return FaultyEngine(lambda: os._exit(3))


def hanging(artifact):
    return FaultyEngine(lambda: time.sleep(600))


def hanging_at_start(artifact):
    time.sleep(600)


def raising(artifact):
    def fault():
        raise ValueError("no such\nluck")

    return FaultyEngine(fault)


class Panic(BaseException):
    """An error that is not an ``Exception``, as libraries in Rust raise it."""


def panicking(artifact):
    def fault():
        raise Panic("at the disco")

    return FaultyEngine(fault)


def ending_at_start(artifact):
    raise SystemExit(1)


def misshapen(artifact):
    return FaultyEngine(lambda: (torch.zeros(1, 3, 64, 64), torch.zeros(1, 4)))


def hungry(artifact):
    return FaultyEngine(lambda: np.ones(1 << 42, np.uint8))


def talkative(artifact):
    def fault():
        print("from print")
        os.system("echo from a program")  # a child process writes to the same stdout
        return torch.zeros(1, 4, 64, 64), torch.zeros(1, 4)

    return FaultyEngine(fault)


def absent(artifact):
    return Unavailable("no such chip")


def _writing(data):
    def fault():
        (connection,) = (item for item in gc.get_objects() if isinstance(item, Connection))
        os.write(connection.fileno(), data)
        time.sleep(600)

    return lambda artifact: FaultyEngine(fault)


def _framed(message):
    return struct.pack("!i", len(message)) + message


noise = _writing(_framed(b"\xff not JSON"))
enormous = _writing(struct.pack("!iQ", -1, 1 << 62))
too_large = _writing(_framed(b'{"shapes": [[1000000, 1000000]]}'))
too_short = _writing(_framed(b'{"shapes": [[2]]}') + _framed(b"\0" * 4))
half = _writing(struct.pack("!i", 100) + b"{")
