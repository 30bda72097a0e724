"""The operator that ends a classifier.

Semantics: coremltools' ``ops/defs/iOS15/classify.py``.
"""

import torch
from torch import Tensor

from validation.mil_runtime.errors import OperationError
from validation.mil_runtime.model.value_types import TensorType
from validation.mil_runtime.registry import Context, operator


@operator("classify")
def classify(probabilities: Tensor, classes: object, context: Context) -> tuple:
    """Return the class with the highest probability (the first if several are equal), and all
    probabilities by class.
    """
    labels = _labels(classes)
    values = probabilities.flatten().tolist()
    if len(values) != len(labels):
        raise OperationError(
            f"{len(values)} probabilities for {len(labels)} classes: expected one for each class"
        )
    best = labels[int(probabilities.flatten().argmax())]
    table = dict(zip(labels, values, strict=True))
    if isinstance(context.operation.outputs[0].type, TensorType):
        best = torch.tensor(best)
    return best, table


def _labels(classes: object) -> list[str | int]:
    if isinstance(classes, Tensor):
        classes = list(classes)
    if not isinstance(classes, list):
        raise OperationError(f"classes of type {type(classes).__name__}: expected a list")
    return [item.item() if isinstance(item, Tensor) else item for item in classes]
