"""Finds operations of an ML Program that may leave the Neural Engine, or be slow on it.

These are risks, not certainties. Apple does not document which operations the engine runs, and this changes with chip,
system and size. Each rule names its source.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from validation.inspection.cost.mil_operation import TypedOperation
from validation.inspection.cost.neural_engine.rules import LEAVES, RULES, Rule
from validation.mil_runtime.model.program_structure import Function
from validation.mil_runtime.model.value_types import TensorType


@dataclass(frozen=True)
class Risk:
    """A rule that applies to a program.

    Attributes:
        rule: the rule.
        operations: number of operations that it applies to; all operations, if the rule is about inputs.
        multiply_adds: multiply-adds of these operations.
        share: their share of all multiply-adds of the program, in 0…1; 0 if the program has none.
        kinds: the operators, or the names of the inputs, sorted.
    """

    rule: Rule
    operations: int
    multiply_adds: int
    share: float
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class PlacementRisks:
    """All risks of a program.

    Attributes:
        risks: one for each rule that applies, in the order of the rules.
        operations: number of operations that may leave the engine by at least one rule.
        share: their share of all multiply-adds, in 0…1.
    """

    risks: tuple[Risk, ...]
    operations: int
    share: float


def find_risks(
    function: Function, operations: Sequence[TypedOperation], multiply_adds: Sequence[int]
) -> PlacementRisks:
    """Apply ``RULES`` to a program.

    Args:
        function: the program.
        operations: the operations that run, in order.
        multiply_adds: the multiply-adds of each operation.
    """
    total = sum(multiply_adds)
    risks = []
    leaving: set[int] = set()
    for rule in RULES:
        found = [index for index, item in enumerate(operations) if rule.applies_to(item)]
        names = {operations[index].kind for index in found}
        if rule.is_about_inputs:
            flexible = [item.name for item in function.inputs if _is_flexible(item.type)]
            found, names = list(range(len(operations))) if flexible else [], set(flexible)
        if not found:
            continue
        count = sum(multiply_adds[index] for index in found)
        risks.append(Risk(rule, len(found), count, _share(count, total), tuple(sorted(names))))
        if rule.effect == LEAVES:
            leaving.update(found)
    lost = sum(multiply_adds[index] for index in leaving)
    return PlacementRisks(tuple(risks), len(leaving), _share(lost, total))


def _is_flexible(declared: object) -> bool:
    return isinstance(declared, TensorType) and (declared.shape is None or None in declared.shape)


def _share(count: int, total: int) -> float:
    return count / total if total else 0.0
