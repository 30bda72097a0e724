"""Static costs as a JSON document; docs/cost.md describes it."""

from collections.abc import Sequence
from dataclasses import asdict

from validation.inspection.cost.component import ArtifactCost, ComponentCost
from validation.inspection.cost.neural_engine.risks import PlacementRisks, Risk

SCHEMA = "mobile-sam-export/cost/2"


def cost_document(costs: Sequence[ArtifactCost]) -> dict:
    """The document of all costs, in the order of ``costs``."""
    return {"schema": SCHEMA, "artifacts": [_artifact(cost) for cost in costs]}


def _artifact(cost: ArtifactCost) -> dict:
    return {
        "artifact": cost.artifact.record(),
        "components": [_component(component) for component in cost.components],
    }


def _component(cost: ComponentCost) -> dict:
    return {
        "name": cost.name,
        "multiply_adds": cost.multiply_adds,
        "multiply_adds_by_operator": cost.multiply_adds_by_operator,
        "parameters": asdict(cost.parameters),
        "memory": asdict(cost.memory),
        "operations": cost.operations,
        "costliest_layers": [asdict(layer) for layer in cost.layers],
        "neural_engine": None if cost.risks is None else _risks(cost.risks),
    }


def _risks(found: PlacementRisks) -> dict:
    return {
        "may_leave": {"operations": found.operations, "share_of_multiply_adds": found.share},
        "risks": [_risk(risk) for risk in found.risks],
    }


def _risk(risk: Risk) -> dict:
    return {
        "rule": risk.rule.name,
        "effect": risk.rule.effect,
        "reason": risk.rule.reason,
        "source": risk.rule.source,
        "operations": risk.operations,
        "multiply_adds": risk.multiply_adds,
        "share_of_multiply_adds": risk.share,
        "kinds": list(risk.kinds),
    }
