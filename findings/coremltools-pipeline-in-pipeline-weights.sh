#!/bin/bash
# coremltools 9.0: make_pipeline loses weights, or takes those of another model, if one of its models is a pipeline.
#
# make_pipeline gives each ML Program a weight file of its own (0-weight.bin, 1-weight.bin and so on) and writes the new
# name into the program. For a model that is itself a pipeline it does neither: it does not rename the files that the
# inner programs refer to, and it does not copy them. It looks for a file weight.bin, which the package of a pipeline
# does not have.
#
# Input:    inner = make_pipeline(first, second); outer = make_pipeline(before, inner)
# Expected: three weight files, and each program refers to its own
# Actual:   one file, 0-weight.bin, which belongs to "before". "first" now reads it as its own. The file of "second",
#           1-weight.bin, is missing. There is no warning.
#
# Exits with 0 while coremltools behaves like this, and with 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet coremltools==9.0 numpy==2.3.5
"$folder/venv/bin/python" - <<'PYTHON' 2> /dev/null
import pathlib

import coremltools as ct
import numpy as np
from coremltools.converters.mil import Builder as mb


def convert(function):
    program = mb.program(input_specs=[mb.TensorSpec((1, 32))])(function)
    return ct.convert(program, convert_to="mlprogram", skip_model_load=True)


def times(x, factor, name):
    return mb.matmul(x=x, y=np.full((32, 32), factor, np.float32), name=name)


before = convert(lambda w: times(w, 1, "x"))
first = convert(lambda x: times(x, 2, "h"))
second = convert(lambda h: times(h, 3, "y"))


def files_named(model):
    """The weight file that each program of a model, or of the pipelines in it, refers to."""
    if model.WhichOneof("Type") == "pipeline":
        return [name for stage in model.pipeline.models for name in files_named(stage)]
    function = model.mlProgram.functions["main"]
    operations = function.block_specializations[function.opset].operations
    values = [value for operation in operations for value in operation.attributes.values()]
    return sorted({value.blobFileValue.fileName for value in values} - {""})


outer = ct.utils.make_pipeline(before, ct.utils.make_pipeline(first, second))
named = [pathlib.PurePath(name).name for name in files_named(outer.get_spec())]
there = sorted(path.name for path in pathlib.Path(outer.weights_dir).iterdir())
print(f"coremltools {ct.__version__}\nnamed by the programs {named}\nin the package        {there}")
seen = (["0-weight.bin", "0-weight.bin", "1-weight.bin"], ["0-weight.bin"])
raise SystemExit((named, there) != seen)
PYTHON
