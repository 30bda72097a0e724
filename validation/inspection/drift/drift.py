"""What is measured of every operation or module: its own error, and its total one."""

from collections.abc import Iterable
from dataclasses import dataclass

from validation.metrics import TensorDifference


@dataclass(frozen=True)
class Drift:
    """How far one operation, or one module, of an artifact departs from the reference.

    Attributes:
        component: "image_encoder" or "mask_decoder".
        name: of the operation's output in the package, or the module's path in the export module;
            for what the component itself computes last, the name of its output.
        kind: MIL operator, or class of the module.
        source: dotted path in ``reference.modeling.sam.Sam`` of the module that it came from; "" if it is
            of none, such as the normalization of the frame.
        own: its error on the reference's own inputs.
        total: its error in the artifact's own run: its own and what it inherited.
    """

    component: str
    name: str
    kind: str
    source: str
    own: TensorDifference
    total: TensorDifference


def worst(drifts: Iterable[Drift], count: int = 10) -> list[Drift]:
    """The ``count`` largest own errors (relative L2), largest first; NaN and infinities lead."""
    return sorted(drifts, key=_own_error, reverse=True)[:count]


def _own_error(drift: Drift) -> tuple[bool, float]:
    return drift.own.not_finite > 0, drift.own.relative_l2
