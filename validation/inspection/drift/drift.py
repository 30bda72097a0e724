"""The own and the total error of an operation or a module."""

from collections.abc import Iterable
from dataclasses import dataclass

from validation.metrics import TensorDifference


@dataclass(frozen=True)
class Drift:
    """The difference of one operation or one module of an artifact from the reference.

    Attributes:
        component: "image_encoder" or "mask_decoder".
        name: name of the operation's output in the package, or path of the module in the export module;
            for an output of the whole component, the name of that output.
        kind: MIL operator, or class of the module.
        source: dotted path in ``reference.modeling.sam.Sam`` of the module that it came from; "" if it came
            from none, such as the normalization of the frame.
        own: its error on the reference inputs.
        total: its error in the artifact's own run, with the error that it inherits.
    """

    component: str
    name: str
    kind: str
    source: str
    own: TensorDifference
    total: TensorDifference


def worst(drifts: Iterable[Drift], count: int = 10) -> list[Drift]:
    """The ``count`` largest own errors (relative L2), largest first. NaN and infinities come before all others."""
    return sorted(drifts, key=_own_error, reverse=True)[:count]


def _own_error(drift: Drift) -> tuple[bool, float]:
    return drift.own.not_finite > 0, drift.own.relative_l2
