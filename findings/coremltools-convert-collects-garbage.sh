#!/usr/bin/env bash
# coremltools 9.0 runs a full garbage collection in every conversion, even if the program has disabled the collector.
#
# ct.convert ends with gc.collect(), which visits every object of the process. So the time to convert a small program
# depends on what else is in memory. In a process with torch and a large test suite, a program of one operation took
# 0.34 s to convert, and 0.33 s of that were this call. Many small conversions, as in tests, become slow. Calling
# gc.freeze() once after the imports excludes the objects that exist by then. The conversion then took 0.02 s.
#
# Input:    ct.convert of a program of one operation, in a process that has called gc.disable()
# Expected: no garbage collection, and a time that does not depend on other objects
# Actual, with coremltools 9.0 and Python 3.11:
#     collector disabled: 1 full collection in a conversion
#     with 3 million objects alive: slower
#     the same after gc.freeze(): as fast as without them
#
# Exits with 0 while coremltools behaves like this, and with 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numpy==2.3.5 coremltools==9.0
cat > "$folder/show.py" <<'END'
import gc
import time

import coremltools as ct
from coremltools.converters.mil import Builder as mb


@mb.program(input_specs=[mb.TensorSpec(shape=(1, 8))], opset_version=ct.target.iOS16)
def program(x):
    return mb.relu(x=x)


def convert():
    ct.convert(program, minimum_deployment_target=ct.target.iOS16, skip_model_load=True)


def seconds():
    times = []
    for _ in range(5):
        start = time.perf_counter()
        convert()
        times.append(time.perf_counter() - start)
    return min(times)


convert()  # whatever is imported late is there now
gc.disable()
full = []
count = lambda phase, details: phase == "start" and details["generation"] == 2 and full.append(1)
gc.callbacks.append(count)
convert()
gc.callbacks.remove(count)

gc.freeze()
few = seconds()
objects = [[] for _ in range(3_000_000)]
many = seconds()
gc.freeze()
frozen = seconds()

found = [
    f"collector disabled: {len(full)} full collection in a conversion",
    f"with 3 million objects alive: {'slower' if many > 2 * few else 'as fast'}",
    f"the same after gc.freeze(): {'as fast as without them' if frozen < 2 * few else 'slower'}",
]
print("\n".join(found))
expected = [
    "collector disabled: 1 full collection in a conversion",
    "with 3 million objects alive: slower",
    "the same after gc.freeze(): as fast as without them",
]
raise SystemExit(found != expected)
END
"$folder/venv/bin/python" -W ignore "$folder/show.py" 2>/dev/null
