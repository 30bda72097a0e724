"""Measures the size of artifacts, and the time and memory of a conversion."""

import json
import statistics
import subprocess
import sys
from pathlib import Path

from converters.conversion import Source
from converters.export_modules.channels_first.image_encoder import ChannelsFirstImageEncoder
from converters.export_modules.channels_first.mask_decoder import ChannelsFirstMaskDecoder
from reference.common.errors import MobileSAMError
from reference.common.folders import size_of
from reference.common.progress import progress
from validation.artifacts.artifact import COMPONENTS, Artifact
from validation.evidence.bench import ARTIFACTS, Bench
from validation.evidence.page import Table, verdict

MEGABYTE = 1e6  # bytes
# (format, scheme) → the aim for the size of encoder and decoder together, in MB.
LARGEST = {
    ("coreml", "fp16"): 22.5,
    ("coreml", "int8"): 12.0,
    ("torchscript", "none"): 41,
    ("torchscript", "fp16"): 21,
    ("torchscript", "int8"): 12.5,
}
BITS = {"none": 32, "fp16": 16, "int8": 8, "w8a8": 8, "lut8": 8, "lut6": 6, "int4": 4, "lut4": 4}

COMMAND = ("convert", "coreml", "--quantize", "int8")
LONGEST = 60  # seconds
MOST_MEMORY = 3.0  # GB
CONVERSIONS = 3

# A small program launches the conversion. The kernel reports the peak of the largest child so far, and a
# child inherits the peak of the process that forked it. So the launcher must be new and small.
LAUNCHER = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
status = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
seconds = time.perf_counter() - start
print(json.dumps([status, seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss]))
"""
PEAK_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes of ru_maxrss


def measure_sizes(bench: Bench) -> list[Table]:
    """Return a table with the size of every scheme of both formats."""
    weights = count_weights(bench.source)
    bar = progress(ARTIFACTS, description="sizes", unit="artifact")
    rows = [_size_row(bench.artifact(*pair), weights) for pair in bar]
    header = ("<format", "<scheme", "encoder", "decoder", "above the weights", "together")
    note = f"1 MB is 10⁶ bytes. The model has {weights:,} weights."
    tools = ("torch", "timm", "coremltools")
    return [Table("sizes", tools, (*header, "aim", "<verdict"), rows, note)]


def count_weights(source: Source) -> int:
    """Return how many weights both components have."""
    modules = (ChannelsFirstImageEncoder(source.sam), ChannelsFirstMaskDecoder(source.sam))
    return sum(weight.numel() for module in modules for weight in module.parameters())


def _size_row(artifact: Artifact, weights: int) -> tuple[str, ...]:
    sizes = [_megabytes(artifact.components[name]) for name in COMPONENTS]
    above = sum(sizes) - weights * BITS[artifact.scheme] / 8 / MEGABYTE
    largest = LARGEST.get((artifact.format, artifact.scheme))
    return (
        artifact.format,
        artifact.scheme,
        *(f"{size:.2f}" for size in (*sizes, above, sum(sizes))),
        "–" if largest is None else f"≤ {largest:.1f}",
        verdict(sum(sizes), largest),
    )


def _megabytes(path: Path) -> float:
    return size_of(path) / MEGABYTE


def measure_cost(bench: Bench) -> list[Table]:
    """Measure the command's time and peak memory, from the start of its process to its end."""
    runs = [
        _run_conversion(bench.folder / "cost")
        for _ in progress(range(CONVERSIONS), description="cost", unit="conversion")
    ]
    all_seconds, peaks = zip(*runs, strict=True)
    seconds, peak = statistics.median(all_seconds), max(peaks)
    rows = [
        ("time, s", f"{seconds:.1f}", f"< {LONGEST}", verdict(seconds, LONGEST)),
        ("peak memory, GB", f"{peak:.2f}", f"< {MOST_MEMORY:g}", verdict(peak, MOST_MEMORY)),
    ]
    listed = ", ".join(f"{value:.1f}" for value in sorted(all_seconds))
    note = (
        f"`{' '.join(COMMAND)}` ran {CONVERSIONS} times. The time is the median of {listed} s, and "
        "the memory is the largest."
    )
    header = ("<what", "measured", "aim", "<verdict")
    return [Table("cost", ("torch", "coremltools"), header, rows, note)]


def _run_conversion(output: Path) -> tuple[float, float]:
    """Run the conversion. Return its seconds and its peak memory in GB."""
    program = Path(sys.executable).with_name(COMMAND[0])
    command = [program, *COMMAND[1:], "--output", output, "--force"]
    launched = subprocess.run(
        [sys.executable, "-c", LAUNCHER, *map(str, command)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    status, seconds, peak = json.loads(launched.stdout)
    if status != 0:
        raise MobileSAMError(
            f"'{' '.join(COMMAND)}' ended with status {status}: see its error above"
        )
    return seconds, peak * PEAK_UNIT / 1e9
