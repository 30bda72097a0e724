"""Runs a function: plans its blocks once, then computes them any number of times."""

from collections.abc import Mapping

import torch

from validation.mil_runtime.arithmetic.memory import reused_memory
from validation.mil_runtime.execution import Execution, Observer
from validation.mil_runtime.model.program_structure import Function
from validation.mil_runtime.numerics import Numerics
from validation.mil_runtime.planning import plan_block


class Interpreter:
    """Runs one function, in one kind of numerics.

    Attributes:
        function: the function that it runs.
        numerics: the numerics that it computes in.
    """

    def __init__(self, function: Function, numerics: Numerics) -> None:
        """Plan the function: find every operator, bind arguments, decompress constants.

        Raises:
            UnsupportedOperationError: the runtime does not have an operation.
            ModelError: an operation has other arguments than its operator.
        """
        self.function, self.numerics = function, numerics
        self._plan = plan_block(function.block, function.opset, numerics, {})

    def value_names(self) -> frozenset[str]:
        """The names of all values that ``run`` can return."""
        return frozenset(self._plan.value_names())

    def run(
        self,
        inputs: Mapping[str, object],
        seed: int,
        wanted: frozenset[str] = frozenset(),
        observer: Observer | None = None,
    ) -> tuple[dict[str, object], dict[str, object]]:
        """Compute the function.

        Args:
            inputs: a value for each input of the function; tensors have the types of
                ``Numerics.held_in``.
            seed: the seed for random operations without one.
            wanted: names of values to keep, as they are after their last computation.
            observer: a function that is called after each operation. Outputs that it returns replace
                the operation's own, and are converted to the same types.

        Returns:
            The function's outputs by name, and the wanted values.

        Raises:
            OperationError: an operation cannot be computed, or gives another result than it declares.
        """
        execution = Execution(self.numerics, seed, wanted, observer)
        values = [inputs[item.name] for item in self.function.inputs]
        with torch.no_grad(), reused_memory():
            outputs = execution.run_block(self._plan, values, {})
        return dict(zip(self.function.block.outputs, outputs, strict=True)), execution.kept
