"""Measures the time and memory of ``mil_runtime``, compared with PyTorch eager on the same cores."""

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import torch

from validation import mil_runtime
from validation.engines.package_engine import frame_to_image
from validation.evidence.bench import THREADS, Bench
from validation.evidence.numbers.memory_probe import EAGER
from validation.evidence.numbers.turns import Turns
from validation.evidence.page import NOT_AIMED, Table, verdict

ENCODES = (7, 1)  # number of rounds, and of calls per turn
LOADS = 5
SLOWEST = {"declared": 0.6, "float32": 0.4}  # numerics → aim for the time, relative to eager
LONGEST_LOAD = 1.0  # aim in seconds
MOST_MEMORY = 1.5  # aim for the memory, relative to eager


def measure_runtime(bench: Bench) -> list[Table]:
    """Measure the float16 encoder of the demo weights: the time to encode and to load, and the memory."""
    package = bench.artifact("coreml", "fp16").components["image_encoder"]
    turns = Turns()
    rows = [*_speed_rows(bench, package, turns), _load_row(package), *_memory_rows(package)]
    note = (
        f"{THREADS} threads. Time is the median of {ENCODES[0]} calls, taken in turns with PyTorch "
        f"eager, or of {LOADS} calls for loading. Memory is the peak above the imported libraries. "
        f"{turns.disturbed} of {(1 + len(SLOWEST)) * ENCODES[0]} turns were disturbed by other processes."
    )
    header = ("<what", "absolute", "measured", "aim", "verdict")
    return [Table("runtime", ("torch", "coremltools"), header, rows, note)]


def _speed_rows(bench: Bench, package: Path, turns: Turns) -> list[tuple[str, ...]]:
    encode = bench.source.sam.encode_image
    (frame,) = bench.source.goldens.encoder_inputs()[0]
    image = frame_to_image(frame)
    programs = {numerics: mil_runtime.load(package, numerics) for numerics in SLOWEST}
    calls = {EAGER: lambda: encode(frame)} | {
        numerics: lambda program=program: program.predict({"image": image})
        for numerics, program in programs.items()
    }
    with torch.no_grad():
        times = {name: median(values) for name, values in turns.take(calls, *ENCODES).items()}
    rows = [("encode, PyTorch eager", f"{times[EAGER]:.2f} s", "1.00", "–", NOT_AIMED)]
    for numerics, largest in SLOWEST.items():
        ratio = times[numerics] / times[EAGER]
        cells = (f"{times[numerics]:.2f} s", f"{ratio:.2f}", f"≤ {largest}")
        rows.append((f"encode, {numerics}, × eager", *cells, verdict(round(ratio, 2), largest)))
    return rows


def _load_row(package: Path) -> tuple[str, ...]:
    seconds = []
    for _ in range(LOADS):
        start = time.perf_counter()
        mil_runtime.load(package)
        seconds.append(time.perf_counter() - start)
    middle = median(seconds)
    held = verdict(middle, LONGEST_LOAD)
    return "load the encoder, s", f"{middle:.2f} s", f"{middle:.2f}", f"≤ {LONGEST_LOAD:g}", held


def _memory_rows(package: Path) -> list[tuple[str, ...]]:
    eager = _peak_memory(EAGER, package)
    rows = [("peak memory, PyTorch eager", f"{eager:.0f} MB", "1.00", "–", NOT_AIMED)]
    for numerics in SLOWEST:
        peak = _peak_memory(numerics, package)
        cells = (f"{peak:.0f} MB", f"{peak / eager:.2f}", f"≤ {MOST_MEMORY}")
        rows.append(
            (f"peak memory, {numerics}, × eager", *cells, verdict(peak / eager, MOST_MEMORY))
        )
    return rows


def _peak_memory(what: str, package: Path) -> float:
    """Return the peak memory of encoding, in MB, which ``memory_probe`` measures."""
    command = [sys.executable, "-m", "validation.evidence.numbers.memory_probe", what, str(package)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
