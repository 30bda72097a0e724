"""Static costs as tables for a terminal."""

from collections.abc import Iterator, Sequence

from validation.documents.text_table import aligned
from validation.inspection.cost.component import ArtifactCost, ComponentCost
from validation.inspection.cost.neural_engine.risks import PlacementRisks
from validation.inspection.cost.neural_engine.rules import LEAVES

_COLUMNS = (
    *("artifact", "component", "GMACs", "parameters", "stored MB", "computed MB"),
    *("activations MB", "peak MB", "operations"),
)


def format_costs(costs: Sequence[ArtifactCost], operations: bool) -> list[str]:
    """A table with a row per component, then the costliest layers and the Neural Engine risks of each.

    Args:
        costs: the costs of the artifacts.
        operations: whether to list every operator with its count and multiply-adds too.
    """
    rows = [_COLUMNS]
    for cost in costs:
        rows += [_row(cost.artifact.name, component) for component in cost.components]
    lines = _table(rows, left=2)
    for cost in costs:
        for component in cost.components:
            title = f"{cost.artifact.name}, {component.name}"
            lines += ["", f"{title}: costliest layers", *_layers(component)]
            if operations:
                lines += ["", f"{title}: operators", *_operators(component)]
            if component.risks is not None:
                lines += ["", *_risks(title, component.risks)]
    return lines


def _table(rows: Sequence[tuple[str, ...]], left: int) -> list[str]:
    return [line.rstrip() for line in aligned(rows, left)]


def _row(name: str, cost: ComponentCost) -> tuple[str, ...]:
    return (
        name,
        cost.name,
        f"{cost.multiply_adds / 1e9:.3f}",
        f"{cost.parameters.count:,}",
        _megabytes(cost.parameters.stored_bytes),
        _megabytes(cost.parameters.computed_bytes),
        _megabytes(cost.memory.activation_bytes),
        _megabytes(cost.memory.peak_bytes),
        str(sum(cost.operations.values())),
    )


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.2f}"


def _layers(cost: ComponentCost) -> list[str]:
    rows = [
        (
            layer.source or "(no module of its own)",
            layer.kind,
            _millions(layer.multiply_adds),
            _percent(layer.multiply_adds / cost.multiply_adds),
        )
        for layer in cost.layers
    ]
    return _table(rows, left=2) if rows else []


def _operators(cost: ComponentCost) -> list[str]:
    rows = [
        (kind, str(count), _millions(cost.multiply_adds_by_operator.get(kind, 0)))
        for kind, count in cost.operations.items()
    ]
    return _table([("operator", "operations", "multiply-adds"), *rows], left=1)


def _risks(title: str, found: PlacementRisks) -> Iterator[str]:
    share = _percent(found.share)
    yield (
        f"{title}: Neural Engine risks; {found.operations} operations with {share} of the "
        "multiply-adds may leave it"
    )
    rows = [
        (
            "leaves?" if risk.rule.effect == LEAVES else "slow?",
            risk.rule.name,
            str(risk.operations),
            _percent(risk.share),
        )
        for risk in found.risks
    ]
    for line, risk in zip(aligned(rows, left=2) if rows else [], found.risks, strict=True):
        yield f"{line}  {risk.rule.reason}"


def _millions(multiply_adds: int) -> str:
    return f"{multiply_adds / 1e6:.2f} M"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
