#!/bin/bash
# coremltools 9.0 reorders enumerated shapes, and so pairs those of several inputs otherwise than asked.
#
# As of iOS 18 several inputs may have ct.EnumeratedShapes. Core ML takes the n-th shape of one together with the
# n-th of the others (https://github.com/apple/coremltools/issues/2271), which is why ct.convert wants as many of
# each. A shape may then be needed twice, with different partners: x (1, 3) with y (1, 20), x (1, 5) with y (1, 40),
# x (1, 3) with y (1, 60). The converter moves every shape that equals the default one, here the first, to the front
# of the list of its own input only ("Ensure the default shape is placed first in the list", in
# models/neural_network/flexible_shape_utils.py).
#
# Input:    x [(1, 3), (1, 5), (1, 3)], y [(1, 20), (1, 40), (1, 60)]
# Expected: the package pairs (3, 20), (5, 40), (3, 60)
# Seen:     the package pairs (3, 20), (3, 40), (5, 60), without a warning
#
# Ends with 0 while this is so, else with 1.
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
