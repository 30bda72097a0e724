"""Where Core ML means to compute the operations of a program: its compute plan, summarized."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

NEURAL_ENGINE, GPU, CPU = "neural engine", "gpu", "cpu"
DEVICES = (NEURAL_ENGINE, GPU, CPU)
_MOST_LINES = 5  # of operations elsewhere, in a table; the JSON document has all


@dataclass(frozen=True)
class PlacedOperation:
    """An operation of a program that Core ML has a plan for.

    Attributes:
        name: of its first output.
        operator: its type, such as "conv".
        device: one of DEVICES, where Core ML prefers to compute it.
        supported: of DEVICES, where it could.
        cost: Core ML's own estimate of its share of the program's work, in 0…1; None if it has none.
    """

    name: str
    operator: str
    device: str
    supported: tuple[str, ...]
    cost: float | None


@dataclass(frozen=True)
class DeviceShare:
    """How many operations a device gets, and the sum of their estimated costs."""

    operations: int
    cost: float


@dataclass(frozen=True)
class Placement:
    """The plan of one component.

    Attributes:
        wanted: the device that the compute units are chosen for.
        shares: by device, of those that get an operation.
        unplaced: operations that Core ML has no plan for, as constants are.
        elsewhere: operations that are not on the wanted device, in the program's order.
    """

    wanted: str
    shares: Mapping[str, DeviceShare]
    unplaced: int
    elsewhere: tuple[PlacedOperation, ...]


def summarize(wanted: str, placed: Sequence[PlacedOperation], unplaced: int) -> Placement:
    """Count and sum up operations by device."""
    shares = {
        device: DeviceShare(len(own), sum(operation.cost or 0.0 for operation in own))
        for device in DEVICES
        if (own := [operation for operation in placed if operation.device == device])
    }
    elsewhere = tuple(operation for operation in placed if operation.device != wanted)
    return Placement(wanted, shares, unplaced, elsewhere)


def placement_record(placement: Placement) -> dict:
    """As JSON has it."""
    return asdict(placement)


def format_placement(component: str, placement: Placement) -> list[str]:
    """A line on what goes where, and one for each of the costliest operations elsewhere."""
    shares = ", ".join(
        f"{device} {share.operations} operations ({share.cost:.1%} of the estimated cost)"
        for device, share in placement.shares.items()
    )
    title = component.replace("_", " ")
    lines = [f"{title}: {shares or 'no operation has a plan'}"]
    costliest = sorted(placement.elsewhere, key=lambda item: item.cost or 0.0, reverse=True)
    lines += [
        f"{title}: not on the {placement.wanted}: {item.operator} '{item.name}' on the {item.device}"
        + ("" if placement.wanted in item.supported else f", since the {placement.wanted} cannot")
        for item in costliest[:_MOST_LINES]
    ]
    if (more := len(costliest) - _MOST_LINES) > 0:
        lines.append(f"{title}: {more} more operations are elsewhere; see --json")
    return lines
