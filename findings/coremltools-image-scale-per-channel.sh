#!/bin/bash
# coremltools 9.0 applies a list that is given as the scale of ct.ImageType to the picture's columns, not its channels.
#
# The documentation of ct.ImageType says "scale: float or list of floats: the scaling factor for all values in the image
# channels", next to "bias", whose list has one number per channel. The bias is reshaped to (1, 3, 1, 1). The scale is
# not reshaped (converters/mil/backend/mil/passes/insert_image_preprocessing_op.py), so it is broadcast over the last
# axis, which is the width.
#
# Input:    ct.ImageType(shape=(1, 3, 4, W), scale=[0.1, 0.2, 0.3], bias=[1, 2, 3])
# Expected: a scale of shape (1, 3, 1, 1), like the bias
# Actual:   W = 5: ValueError: Incompatible dim 3 in shapes (1, 3, 4, 5) vs. (1, 1, 1, 3)
#           W = 3: converted, with a scale of shape (3,), which is one number per column
#
# Exits with 0 while coremltools behaves like this, and with 1 once it has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet coremltools==9.0 numpy==2.3.5
"$folder/venv/bin/python" - <<'PYTHON' 2> /dev/null
import coremltools as ct
from coremltools.converters.mil import Builder as mb


def shapes_of_scale_and_bias(width):
    shape = (1, 3, 4, width)
    program = mb.program(input_specs=[mb.TensorSpec(shape)])(lambda x: mb.relu(x=x))
    image = ct.ImageType(
        "x", shape=shape, scale=[0.1, 0.2, 0.3], bias=[1, 2, 3], channel_first=True
    )
    try:
        model = ct.convert(program, convert_to="mlprogram", inputs=[image], skip_model_load=True)
    except ValueError as error:
        return str(error)
    function = model.get_spec().mlProgram.functions["main"]
    operations = {
        operation.outputs[0].name: operation
        for operation in function.block_specializations[function.opset].operations
    }
    constants = [
        operations[operations[name].inputs["y"].arguments[0].name]
        for name in ("x__scaled__", "x__biased__")
    ]
    return [
        tuple(size.constant.size for size in constant.outputs[0].type.tensorType.dimensions)
        for constant in constants
    ]


wide, narrow = shapes_of_scale_and_bias(5), shapes_of_scale_and_bias(3)
print(f"coremltools {ct.__version__}\nwidth 5: {wide}\nwidth 3: scale and bias of shapes {narrow}")
error = "Incompatible dim 3 in shapes (1, 3, 4, 5) vs. (1, 1, 1, 3)"
raise SystemExit((wide, narrow) != (error, [(3,), (1, 3, 1, 1)]))
PYTHON
