"""The cost of a component, put together from its operations: the same for both formats."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from validation.artifacts.artifact import Artifact
from validation.inspection.cost.memory import MemoryUse
from validation.inspection.cost.neural_engine.risks import PlacementRisks
from validation.inspection.cost.sources import ReferenceSources

COSTLIEST = 10  # layers that are named


@dataclass(frozen=True)
class CountedOperation:
    """One operation of a program.

    Attributes:
        kind: MIL operator ("conv"), or TorchScript's with its namespace ("aten::linear").
        multiply_adds: 0 of operators that multiply no matrices.
        module: dotted path, in the export module, of the layer whose weight it multiplies by;
            None if it has no such weight.
    """

    kind: str
    multiply_adds: int
    module: str | None


@dataclass(frozen=True)
class Parameters:
    """Weights and tables of a component.

    Attributes:
        count: numbers, after decompression.
        stored_bytes: as they lie in the file.
        computed_bytes: in the type in which operators take them. Larger than ``stored_bytes`` where
            weights are decompressed first.
    """

    count: int
    stored_bytes: int
    computed_bytes: int


@dataclass(frozen=True)
class Layer:
    """Multiply-adds of one operator in one module of the reference."""

    source: str  # dotted path in ``reference.modeling.sam.Sam``; "" if unknown
    kind: str
    multiply_adds: int


@dataclass(frozen=True)
class ComponentCost:
    """Static cost of one component of an artifact.

    Attributes:
        name: "image_encoder" or "mask_decoder".
        multiply_adds: of one run.
        multiply_adds_by_operator: operator → multiply-adds, largest first.
        operations: operator → how often it occurs, most frequent first.
        layers: the costliest, largest first.
        parameters: see ``Parameters``.
        memory: see ``MemoryUse``.
        risks: see ``PlacementRisks``; None for TorchScript, which has no Neural Engine to leave.
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
    """Static cost of an artifact; ``file_bytes`` are those of the components' files."""

    artifact: Artifact
    file_bytes: int
    components: tuple[ComponentCost, ...]


def summarize(
    sources: ReferenceSources,
    operations: Sequence[CountedOperation],
    parameters: Parameters,
    memory: MemoryUse,
    risks: PlacementRisks | None,
) -> ComponentCost:
    """Totals of a component's operations, which are in program order."""
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
