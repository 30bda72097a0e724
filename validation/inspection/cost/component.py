"""The cost of a component, summed over its operations in the same way for both formats."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from validation.artifacts.artifact import Artifact
from validation.inspection.cost.memory import MemoryUse
from validation.inspection.cost.neural_engine.risks import PlacementRisks
from validation.inspection.cost.sources import ReferenceSources

COSTLIEST = 10  # number of layers that are listed


@dataclass(frozen=True)
class CountedOperation:
    """One operation of a program.

    Attributes:
        kind: MIL operator, such as "conv", or TorchScript operator with its namespace, such as "aten::linear".
        multiply_adds: number of multiply-adds; 0 for operators that multiply no matrices.
        module: dotted path in the export module of the layer whose weight it takes; None if it takes none.
    """

    kind: str
    multiply_adds: int
    module: str | None


@dataclass(frozen=True)
class Parameters:
    """Weights and tables of a component.

    Attributes:
        count: number of values, after decompression.
        stored_bytes: bytes in the file.
        computed_bytes: bytes in the type in which operators take them. This is larger than
            ``stored_bytes`` where weights are decompressed first.
    """

    count: int
    stored_bytes: int
    computed_bytes: int


@dataclass(frozen=True)
class Layer:
    """Multiply-adds of one kind of operator in one module of the reference."""

    source: str  # dotted path in ``reference.modeling.sam.Sam``; "" if it is not known
    kind: str
    multiply_adds: int


@dataclass(frozen=True)
class ComponentCost:
    """Static cost of one component of an artifact.

    Attributes:
        name: "image_encoder" or "mask_decoder".
        multiply_adds: multiply-adds of one run.
        multiply_adds_by_operator: operator → multiply-adds, largest first.
        operations: operator → number of its operations, most frequent first.
        layers: the costliest layers, largest first.
        parameters: weights and tables.
        memory: memory of activations, inputs and outputs.
        risks: operations that may leave the Neural Engine; None for TorchScript, which does not use it.
    """

    name: str
    multiply_adds: int
    multiply_adds_by_operator: dict[str, int]
    operations: dict[str, int]
    layers: tuple[Layer, ...]
    parameters: Parameters
    memory: MemoryUse
    risks: PlacementRisks | None


@dataclass(frozen=True)
class ArtifactCost:
    """Static cost of an artifact.

    Attributes:
        artifact: the artifact.
        components: the cost of each component.
    """

    artifact: Artifact
    components: tuple[ComponentCost, ...]


def summarize(
    sources: ReferenceSources,
    operations: Sequence[CountedOperation],
    parameters: Parameters,
    memory: MemoryUse,
    risks: PlacementRisks | None,
) -> ComponentCost:
    """Sum up the costs of a component.

    Args:
        sources: the reference modules of the component.
        operations: all operations, in the order of the program.
        parameters: weights and tables.
        memory: memory of activations, inputs and outputs.
        risks: operations that may leave the Neural Engine; None for TorchScript.
    """
    by_operator: Counter[str] = Counter()
    by_layer: Counter[tuple[str, str]] = Counter()
    costly = [operation for operation in operations if operation.multiply_adds]
    paths = sources.attribute([operation.module for operation in costly])
    for operation, source in zip(costly, paths, strict=True):
        by_operator[operation.kind] += operation.multiply_adds
        by_layer[source, operation.kind] += operation.multiply_adds
    return ComponentCost(
        name=sources.component,
        multiply_adds=by_operator.total(),
        multiply_adds_by_operator=dict(by_operator.most_common()),
        operations=dict(Counter(operation.kind for operation in operations).most_common()),
        layers=tuple(Layer(*key, count) for key, count in by_layer.most_common(COSTLIEST)),
        parameters=parameters,
        memory=memory,
        risks=risks,
    )
