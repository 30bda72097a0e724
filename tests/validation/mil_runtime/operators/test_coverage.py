"""The runtime has every operator of the core opsets, with the parameters that coremltools writes."""

import coremltools as ct
import pytest
from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry

from validation.mil_runtime import operators
from validation.mil_runtime.model.program_structure import Opset

TARGETS = {
    Opset.iOS15: ct.target.iOS15,
    Opset.iOS16: ct.target.iOS16,
    Opset.iOS17: ct.target.iOS17,
    Opset.iOS18: ct.target.iOS18,
    Opset.iOS26: ct.target.iOS26,
}
COUNTS = {
    Opset.iOS15: 152,
    Opset.iOS16: 159,
    Opset.iOS17: 162,
    Opset.iOS18: 168,
    Opset.iOS26: 168,  # nothing new
}
# Constants are decoded by the parser; symbolic ones exist only while a model is converted.
NOT_OPERATORS = {"const", "_const_symbolic"}
# A state is written by an operator that only programs have: in coremltools it is a dialect's.
PROGRAM_ONLY = {"write_state"}


def core_operators(opset):
    """Return the operators of an opset in coremltools' builder: kind → class."""
    known = {}
    for kind, versions in SSAOpRegistry.core_ops.items():
        usable = [version for version in versions if version <= TARGETS[opset]]
        if usable:
            known[kind] = versions[max(usable)]
    return known


@pytest.mark.parametrize("opset", Opset)
def test_every_operator_of_the_opset_is_there(opset):
    kinds = set(core_operators(opset))
    assert len(kinds) == COUNTS[opset]
    missing = {kind for kind in kinds - NOT_OPERATORS if not operators.find_operator(kind, opset)}
    assert not missing


@pytest.mark.parametrize("opset", Opset)
def test_operators_take_the_parameters_of_the_opset(opset):
    for kind, operator_class in core_operators(opset).items():
        if kind in NOT_OPERATORS:
            continue
        # Those that begin with an underscore are Python functions that become blocks.
        written = {name for name in operator_class.input_spec.input_types if name[0] != "_"}
        taken = set(operators.find_operator(kind, opset).parameters)
        assert written <= taken, (opset.name, kind)


@pytest.mark.parametrize("opset", Opset)
def test_runtime_has_no_operator_that_the_opset_lacks(opset):
    there = {
        kind for kind in operators.registered_operators() if operators.find_operator(kind, opset)
    }
    assert there - PROGRAM_ONLY <= set(core_operators(opset))
