"""Limits that users may set: fields of a dataclass, each with the range in which it is possible.

A limit outside of it holds everything or nothing, whatever is measured: it is a mistake.
"""

from dataclasses import field, fields

from reference.common.errors import MobileSAMError
from reference.common.plain_text import quote

_RANGE = "range"  # in a field's metadata


def limit(low: float, high: float) -> float:
    """A dataclass's field for a limit from ``low`` to ``high``."""
    return field(metadata={_RANGE: (low, high)})


def read_limit(
    kind: type, name: str, value: object, place: str, error: type[MobileSAMError]
) -> float:
    """What a file sets a limit of the dataclass ``kind`` to; ``error`` if there is none, or it cannot be that.

    Args:
        kind: its fields are made by ``limit``.
        name: of the limit, as the file has it.
        value: likewise.
        place: file and section, for the error.
        error: what is raised.
    """
    ranges = {known.name: known.metadata[_RANGE] for known in fields(kind)}
    if name not in ranges:
        raise error(f"{place}: {quote(name)}: expected one of {', '.join(sorted(ranges))}")
    low, high = ranges[name]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:
        raise error(
            f"{place}: '{name}' is {quote(value)}: expected a number from {low:g} to {high:g}"
        )
    return value
