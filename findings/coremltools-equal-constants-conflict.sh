#!/usr/bin/env bash
# coremltools 9.0 cannot compress the linear layers of a model in which two constants are equal by chance.
#
# The conversion merges equal constants of 100 numbers or more. PyTorch initializes the bias of a layer normalization
# with zeros, and a linear layer can have the same zeros as its bias. Both become one constant. Compressing only the
# linear layers (op_type_configs) then fails with "compression config conflict detected between ops", because the shared
# constant has two users and only one of them is configured. The bias would not be compressed in any case, because
# linear_quantize_weights skips constants with one axis. If one of the zeros is changed, the same call works.
#
# Input:    a linear layer and a layer normalization whose biases are zeros of the same length
# Expected: the weight of the linear layer is compressed
# Actual, with coremltools 9.0 and torch 2.7.1:
#     equal constants: ValueError: compression config conflict detected between ops ...
#     different constants: compressed
#
# Exits with 0 while coremltools behaves like this, and with 1 once it has changed.
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
