#!/usr/bin/env bash
# coremltools 9.0 cannot compress the linear layers of a model in which two constants happen to be equal.
#
# Converting makes one constant of the zeros that a linear layer adds and of the zeros that a layer normalization adds
# (100 numbers or more; PyTorch initializes both so). Compressing only the linear layers, as op_type_configs says, then ends in
# "compression config conflict detected between ops": the shared constant has two users, of which only one is configured. The
# bias would not be compressed in any case: linear_quantize_weights passes over constants of one axis. With one of the zeros
# changed, the same call works.
#
# Seen with coremltools 9.0 and torch 2.7.1:
#     equal constants: ValueError: compression config conflict detected between ops ...
#     different constants: compressed
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.7.1 numpy==2.3.5 coremltools==9.0
cat > "$folder/show.py" <<'END'
import coremltools as ct
import coremltools.optimize.coreml as cto
import torch


class Layers(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(128, 128)
        self.norm = torch.nn.LayerNorm(128)
        torch.nn.init.zeros_(self.linear.bias)

    def forward(self, x):
        return self.norm(self.linear(x))


def compress(module):
    model = ct.convert(
        torch.jit.trace(module.eval(), torch.ones(1, 128)),
        inputs=[ct.TensorType("x", shape=(1, 128))],
        minimum_deployment_target=ct.target.iOS16,
        skip_model_load=True,
    )
    int8 = cto.OpLinearQuantizerConfig(mode="linear_symmetric", dtype="int8")
    try:
        cto.linear_quantize_weights(model, cto.OptimizationConfig(op_type_configs={"linear": int8}))
        return "compressed"
    except ValueError as error:
        return f"ValueError: {str(error)[:48]} ..."


equal, different = Layers(), Layers()
different.norm.bias.data[0] = 1
found = [f"equal constants: {compress(equal)}", f"different constants: {compress(different)}"]
print("\n".join(found))
expected = [
    "equal constants: ValueError: compression config conflict detected between ops ...",
    "different constants: compressed",
]
raise SystemExit(found != expected)
END
"$folder/venv/bin/python" -W ignore "$folder/show.py" 2>/dev/null
