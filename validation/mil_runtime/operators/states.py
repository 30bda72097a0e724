"""Operators on a model's state, which persists between predictions.

Semantics: coremltools' ``ops/defs/iOS18/states.py``. In a program, its ``coreml_update_state`` becomes
``write_state`` followed by ``read_state``.
"""

from torch import Tensor

from validation.mil_runtime.errors import OperationError
from validation.mil_runtime.model.program_structure import Opset
from validation.mil_runtime.registry import StateCell, operator


@operator("read_state", since=Opset.iOS18, moves_data=True)
def read_state(input: StateCell) -> Tensor:
    return input.value  # needs no copy, because values are replaced and never changed


@operator("write_state", since=Opset.iOS18, moves_data=True)
def write_state(input: StateCell, data: Tensor) -> tuple[()]:
    if data.shape != input.value.shape:
        raise OperationError(
            f"data of shape {list(data.shape)}: expected the shape of the state, {list(input.value.shape)}"
        )
    input.value = data.to(input.value.dtype)
    return ()
