"""Numbers as the tools of others write them: 7, 7.0 or "7", which mean the same."""

import re

_WHOLE = re.compile(r"-?\d{1,18}(\.0{1,9})?", re.ASCII)


def whole_number(value: object) -> int | None:
    """The whole number that a value of a document means; None if it means none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else None  # infinities and NaN are not
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value.strip().partition(".")[0])
    return None


def identity(value: object) -> int | str | None:
    """What tells a record from others: a number however it is written, or a text; None if it is neither.

    "007" is a text, as it may be another than "7".
    """
    number = whole_number(value)
    if isinstance(value, str) and (
        number is None or str(number) != value.strip().partition(".")[0]
    ):
        return value or None
    return number


def truth(value: object) -> bool | None:
    """Whether a flag is set, as 0 or 1 in any form, true or false, or not there; None if it says neither."""
    if value is None or isinstance(value, bool):
        return bool(value)
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    return {0: False, 1: True}.get(whole_number(value))
