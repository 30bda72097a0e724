"""Summarizes a compute plan: on which device Core ML intends to run each operation."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

NEURAL_ENGINE, GPU, CPU = "neural engine", "gpu", "cpu"
DEVICES = (NEURAL_ENGINE, GPU, CPU)
# Operations on other devices that a table lists; the JSON document lists all of them.
_MOST_LINES = 5


@dataclass(frozen=True)
class PlacedOperation:
    """An operation of a program that Core ML has a plan for.

    Attributes:
        name: the name of the operation's first output.
        operator: the operation's type, such as "conv".
        device: the device that Core ML prefers for it, one of DEVICES.
        supported: the devices that could compute it, a subset of DEVICES.
        cost: Core ML's estimate of its share of the program's work, in 0…1; None without an estimate.
    """

    name: str
    operator: str
    device: str
    supported: tuple[str, ...]
    cost: float | None


@dataclass(frozen=True)
class DeviceShare:
    """The number of operations that a device computes, and the sum of their estimated costs."""

    operations: int
    cost: float


@dataclass(frozen=True)
class Placement:
    """The summarized plan of one component.

    Attributes:
        wanted: the device that the chosen compute units aim for.
        shares: device → its share, for each device that computes an operation.
        unplaced: the number of operations without a plan, such as constants.
        elsewhere: the operations on other devices than ``wanted``, in the program's order.
    """

    wanted: str
    shares: Mapping[str, DeviceShare]
    unplaced: int
    elsewhere: tuple[PlacedOperation, ...]


def summarize(wanted: str, placed: Sequence[PlacedOperation], unplaced: int) -> Placement:
    """Count the operations of each device and add up their costs."""
    shares = {
        device: DeviceShare(len(own), sum(operation.cost or 0.0 for operation in own))
        for device in DEVICES
        if (own := [operation for operation in placed if operation.device == device])
    }
    elsewhere = tuple(operation for operation in placed if operation.device != wanted)
    return Placement(wanted, shares, unplaced, elsewhere)


def placement_record(placement: Placement) -> dict:
    """Return the record that the JSON document contains."""
    return asdict(placement)


def format_placement(component: str, placement: Placement) -> list[str]:
    """Return a line with the devices' shares, and one for each of the costliest operations elsewhere."""
    shares = ", ".join(
        f"{device} {share.operations} operations ({share.cost:.1%} of the estimated cost)"
        for device, share in placement.shares.items()
    )
    title = component.replace("_", " ")
    lines = [f"{title}: {shares or 'no operation has a plan'}"]
    costliest = sorted(placement.elsewhere, key=lambda item: item.cost or 0.0, reverse=True)
    lines += [
        f"{title}: not on the {placement.wanted}: {item.operator} '{item.name}' on the {item.device}"
        + ("" if placement.wanted in item.supported else f": the {placement.wanted} cannot run it")
        for item in costliest[:_MOST_LINES]
    ]
    if (more := len(costliest) - _MOST_LINES) > 0:
        lines.append(f"{title}: {more} more operations are on other devices; --json lists them all")
    return lines
