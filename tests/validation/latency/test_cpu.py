"""Artifacts in child processes: what is measured, and what ends a process."""

import multiprocessing
import os

import pytest

from tests.support.late_openers import opener
from validation.artifacts.artifact import load_artifact
from validation.engines import openers
from validation.engines.base import EngineDiedError
from validation.latency.machine.host import available_cores
from validation.latency.machine.memory import resident_memory
from validation.latency.running.plan import STAGES, Plan
from validation.latency.running.session import Session
from validation.latency.running.worker import Setting
from validation.latency.targets.cpu import CpuTarget

SHORTEST = Plan("shortest", runs=5, seconds=0.0)
LITE = (openers.lite_interpreter,)

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores are pinned")


@pytest.fixture(autouse=True)
def no_process_left():
    yield
    assert multiprocessing.active_children() == []


@pytest.fixture
def session(tiny_artifact):
    """Open a session of the tiny model, or of a bad engine."""
    opened = []

    def open_session(target=LITE, setting=None, image=None):
        artifact = load_artifact(tiny_artifact)
        opened.append(Session(artifact, target, setting or Setting(threads=1), image))
        return opened[-1]

    yield open_session
    for item in opened:
        item.close()


def test_times_and_memory(session):
    one = session()
    assert one.memory() is None
    one.start()
    load = one.load()
    assert load.engine.startswith("lite interpreter of torch")
    assert load.seconds > 0
    for stage in STAGES:
        assert one.first(stage).seconds[0] > 0
        assert len(one.warm_up(stage).seconds) >= 10
        run = one.turn(stage, 3)
        assert len(run.seconds) == 3
        assert run.processor > 0
    libraries, peak = one.memory()
    assert 10_000_000 < libraries <= peak
    if resident_memory() is not None:
        stretches = one.timeline.stretches
        assert [stretch.stage for stretch in stretches] == ["load", *STAGES]
        samples = [sample for stretch in stretches for sample in stretch.memory.samples]
        assert [seconds for seconds, _ in samples] == sorted(seconds for seconds, _ in samples)
        # Linux counts pages per core, and each way of asking may miss the last few dozen of them.
        assert 0.5 * libraries < max(size for _, size in samples) <= 1.01 * peak


@pytest.mark.skipif(resident_memory() is None, reason="this system does not report memory")
def test_memory_is_sampled_while_the_lite_interpreter_runs(session):
    one = session((opener("slow_lite_engine", "open_engine"),))
    one.start()
    one.load()
    (seconds,) = one.first("image_encoder").seconds
    samples = one.timeline.stretches[-1].memory.samples
    # One is due every 0.05 seconds. The lite interpreter lets no other thread of its process run meanwhile.
    assert len(samples) - 2 > seconds / 0.2 > 1


def test_threads_and_cores_are_those_of_the_setting(session):
    core = available_cores()[-1]
    one = session((opener("curious_engine", "open_engine"),), Setting(threads=3, cores=(core,)))
    one.start()
    assert one.load().engine == f"3 threads on {[core]}"


def test_engine_that_crashes(session):
    one = session((opener("faulty_engines", "crashing"),))
    one.start()
    one.load()
    one.first("image_encoder")  # the mask decoder takes its answer
    with pytest.raises(EngineDiedError, match=r"mask decoder: the engine crashed \(SIGSEGV\)"):
        one.first("mask_decoder")


@pytest.mark.slow
def test_memory_beyond_a_phones(session):
    one = session((opener("hungry_engine", "open_engine"),), Setting(1, None, 200_000_000))
    one.start()
    one.load()
    message = (
        r"image encoder: the engine was ended, as a phone ends an app, because its memory grew "
        r"beyond the limit of 0\.2 GB: "
    )
    with pytest.raises(EngineDiedError, match=message):
        one.turn("image_encoder", 50)


@pytest.mark.slow
def test_memory_within_a_phones(session):
    one = session((opener("hungry_engine", "open_engine"),), Setting(1, None, 4_000_000_000))
    one.start()
    one.load()
    one.turn("image_encoder", 2)
    libraries, peak = one.memory()
    assert (
        1_100_000_000 > peak - libraries > 390_000_000
    )  # 400 MB, released at once; a peak all the same


@pytest.mark.slow
def test_profile_ends_one_artifact_for_its_memory(tiny_artifact):
    profile = CpuTarget("small", "a phone of 1 MB", threads=1, core_count=1, memory_limit=1_000_000)
    result = profile.measure([load_artifact(tiny_artifact)], SHORTEST, None)
    (measurement,) = result.measurements
    assert measurement.status == "failed"
    (reason,) = measurement.reasons
    assert "was ended, as a phone ends an app" in reason
    assert "limit of 0.001 GB" in reason
    assert result.device_like
    assert result.description.startswith("device-like, not a phone: 1 thread, pinned to core ")


def test_profile_of_more_cores_than_there_are(tiny_artifact):
    profile = CpuTarget("large", "many cores", threads=4, core_count=5000, memory_limit=10**9)
    assert profile.missing().startswith("it needs 5000 cores, but this machine has ")
    result = profile.measure([load_artifact(tiny_artifact)], SHORTEST, None)
    (measurement,) = result.measurements
    assert (measurement.status, measurement.reasons) == ("not run", [profile.missing()])
    assert result.missing == profile.missing()
