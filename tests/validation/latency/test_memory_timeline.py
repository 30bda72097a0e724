"""Memory over time: which samples are kept, and of which process."""

import mmap
import os
import subprocess
import sys
import time

import pytest

from validation.latency.machine.memory import (
    MOST_SAMPLES,
    MemorySamples,
    peak_memory,
    resident_memory,
    sampled_memory,
)
from validation.latency.machine.memory_timeline import MemoryTimeline

watched = pytest.mark.skipif(resident_memory() is None, reason="this system does not report memory")


def test_thinning_keeps_peaks_ends_and_order():
    samples = MemorySamples()
    for index in range(10 * MOST_SAMPLES):
        samples.add([(float(index), 10**9 if index == 3333 else index)])
    seconds = [time for time, _ in samples.samples]
    assert MOST_SAMPLES / 2 <= len(samples.samples) <= MOST_SAMPLES
    assert (3333.0, 10**9) in samples.samples
    assert seconds == sorted(seconds)
    assert samples.samples[-1] == (10 * MOST_SAMPLES - 1.0, 10 * MOST_SAMPLES - 1)


@watched
def test_growth_is_seen():
    samples = MemorySamples()
    begun = time.monotonic()
    with sampled_memory(os.getpid(), samples):
        block = mmap.mmap(-1, 60_000_000)  # new memory, even if the process keeps what it freed
        block.write(b"x" * len(block))
        while len(samples.samples) < 3 and time.monotonic() < begun + 30:  # a busy machine is late
            time.sleep(0.05)
        block.close()
    took = time.monotonic() - begun
    (first, before), (last, _) = samples.samples[0], samples.samples[-1]
    assert 0 <= first < last <= took
    assert max(size for _, size in samples.samples) - before > 50_000_000
    assert before <= peak_memory()


def test_stretches_follow_each_other():
    timeline = MemoryTimeline()
    timeline.add("load", _samples((0.0, 5), (1.0, 7)))
    timeline.add("image_encoder", _samples((0.0, 8), (0.5, 9)))
    timeline.add("image_encoder", _samples((0.0, 8), (0.25, 6)))
    timeline.add("mask_decoder", _samples())
    load, encoder = timeline.stretches
    assert (load.stage, load.memory.samples) == ("load", [(0.0, 5), (1.0, 7)])
    assert encoder.memory.samples == [(1.0, 8), (1.5, 9), (1.5, 8), (1.75, 6)]


@watched
def test_a_process_that_has_ended_has_no_memory():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    samples = MemorySamples()
    with sampled_memory(ended.pid, samples):
        pass
    assert samples.samples == []


def _samples(*samples):
    memory = MemorySamples()
    memory.add(samples)
    return memory
