"""Stands in for an emulator that counts instructions: runs a script, and counts 1000 for each reading of the clock."""

import mmap
import runpy
import struct
import sys
import time
from pathlib import Path

INSTRUCTIONS = 1000
_, counts_path, script, *arguments = sys.argv

with Path(counts_path).open("r+b") as file:
    counts = mmap.mmap(file.fileno(), 8)
clock = time.perf_counter


def counted_clock():
    struct.pack_into("Q", counts, 0, struct.unpack_from("Q", counts)[0] + INSTRUCTIONS)
    return clock()


time.perf_counter = counted_clock
sys.argv = [script, *arguments]
sys.path[0] = str(Path(script).parent)
runpy.run_path(script, run_name="__main__")
