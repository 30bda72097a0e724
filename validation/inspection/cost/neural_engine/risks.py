"""What of an ML Program is known to leave the Neural Engine, or to be slow on it: risks, not certainties.

Apple documents no list of what the engine runs: it changes with chip, system and size. Each rule says where it was
read, and counts what it speaks of.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from validation.inspection.cost.mil_operation import TypedOperation
from validation.inspection.cost.neural_engine.rules import LEAVES, RULES, Rule
from validation.mil_runtime.model.program_structure import Function
from validation.mil_runtime.model.value_types import TensorType


@dataclass(frozen=True)
class Risk:
    """A rule that speaks of something in a program.

    Attributes:
        rule: what is known.
        operations: how many it speaks of: all of them, if it is about the program's inputs.
        multiply_adds: that these operations do.
        share: of all the program's multiply-adds, 0…1; 0 if it has none.
        kinds: their operators, or the inputs' names, sorted.
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
        risks: of the rules that speak of something, in the rules' order.
        operations: how many at least one rule says may leave the engine.
        share: of all multiply-adds, 0…1, that these do.
    """

    risks: tuple[Risk, ...]
    operations: int
    share: float


def find_risks(
    function: Function, operations: Sequence[TypedOperation], multiply_adds: Sequence[int]
) -> PlacementRisks:
    """Hold a program to ``RULES``.

    Args:
        function: the program.
        operations: those that run, in order.
        multiply_adds: of each of them.
    """
    total = sum(multiply_adds)
    risks = []
    leaving: set[int] = set()
    for rule in RULES:
        found = [index for index, item in enumerate(operations) if rule.speaks_of(item)]
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
