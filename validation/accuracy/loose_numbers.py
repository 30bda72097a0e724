"""Reads numbers in the forms that annotation tools write: 7, 7.0 and "7" mean the same."""

import re

_WHOLE = re.compile(r"-?\d{1,18}(\.0{1,9})?", re.ASCII)


def whole_number(value: object) -> int | None:
    """Return the whole number that a value of a document means; None if it means none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None  # False for infinities and NaN
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value.strip().partition(".")[0])
    return None


def identity(value: object) -> int | str | None:
    """Return a record's id: a number in any form, or a text; None if it is neither.

    "007" stays a text, because it may be another id than "7".
    """
    number = whole_number(value)
    if isinstance(value, str) and (
        number is None or str(number) != value.strip().partition(".")[0]
    ):
        return value or None
    return number


def truth(value: object) -> bool | None:
    """Return whether a flag is set: 0 or 1 in any form, or true or false.

    A missing flag is not set. The result is None for any other value.
    """
    if value is None or isinstance(value, bool):
        return bool(value)
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    return {0: False, 1: True}.get(whole_number(value))
