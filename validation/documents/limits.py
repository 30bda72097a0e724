"""Limits that users may set: fields of a dataclass, each with the range of its possible values.

A limit outside its range would pass everything or nothing, so it is refused as a mistake.
"""

from dataclasses import field, fields

from reference.common.errors import MobileSAMError
from reference.common.plain_text import quote

_RANGE = "range"  # key in the metadata of a field


def limit(low: float, high: float) -> float:
    """A field of a dataclass for a limit from ``low`` to ``high``."""
    return field(metadata={_RANGE: (low, high)})


def read_limit(
    kind: type, name: str, value: object, place: str, error: type[MobileSAMError]
) -> float:
    """Check one limit of a user's file and return its value.

    Args:
        kind: the dataclass of limits; ``limit`` made its fields.
        name: name of the limit in the file.
        value: value of the limit in the file.
        place: file and section, for the error message.
        error: class of the error that is raised if ``kind`` has no such limit, or if the value is not
            a number in its range.
    """
    ranges = {known.name: known.metadata[_RANGE] for known in fields(kind)}
    if name not in ranges:
        raise error(
            f"{place}: there is no limit {quote(name)}: expected one of {', '.join(sorted(ranges))}"
        )
    low, high = ranges[name]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not low <= value <= high:
        raise error(
            f"{place}: '{name}' is {quote(value)}: expected a number from {low:g} to {high:g}"
        )
    return value
