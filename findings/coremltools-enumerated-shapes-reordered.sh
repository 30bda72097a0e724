#!/bin/bash
# coremltools 9.0 reorders enumerated shapes, and so pairs the shapes of several inputs differently than requested.
#
# From iOS 18 on, several inputs may have ct.EnumeratedShapes. Core ML pairs the n-th shape of one input with the n-th
# shape of the others (https://github.com/apple/coremltools/issues/2271), so ct.convert requires the same number of
# shapes for each input. One shape may be needed twice, with different partners. But the converter moves every shape
# that equals the default one, here the first, to the front of the list, and does so for each input on its own ("Ensure
# the default shape is placed first in the list", in models/neural_network/flexible_shape_utils.py).
#
# Input:    x [(1, 3), (1, 5), (1, 3)], y [(1, 20), (1, 40), (1, 60)]
# Expected: the package pairs (3, 20), (5, 40), (3, 60)
# Actual:   the package pairs (3, 20), (3, 40), (5, 60), without a warning
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
from coremltools.converters.mil.mil import get_new_symbol

asked = [((1, 3), (1, 20)), ((1, 5), (1, 40)), ((1, 3), (1, 60))]


@mb.program(
    input_specs=[mb.TensorSpec((1, get_new_symbol())) for _ in "xy"], opset_version=ct.target.iOS18
)
def program(x, y):
    return mb.reduce_sum(x=x, axes=[1]), mb.reduce_sum(x=y, axes=[1])


model = ct.convert(
    program,
    convert_to="mlprogram",
    inputs=[
        ct.TensorType(name, shape=ct.EnumeratedShapes(list(shapes)))
        for name, shapes in zip("xy", zip(*asked))
    ],
    minimum_deployment_target=ct.target.iOS18,
    skip_model_load=True,
)
written = list(
    zip(
        *(
            [tuple(shape.shape) for shape in item.type.multiArrayType.enumeratedShapes.shapes]
            for item in model.get_spec().description.input
        )
    )
)
print(f"coremltools {ct.__version__}\nasked   {asked}\nwritten {written}")
raise SystemExit(written != [((1, 3), (1, 20)), ((1, 3), (1, 40)), ((1, 5), (1, 60))])
PYTHON
