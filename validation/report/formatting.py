"""Formats numbers and names for the report."""

import math

UNKNOWN = "–"
MINUS = "\N{MINUS SIGN}"


def fixed(value: float | None, digits: int = 4) -> str:
    """A number with ``digits`` digits after the point; UNKNOWN for None."""
    if value is None:
        return UNKNOWN
    if not math.isfinite(value):
        return "not finite"
    return f"{value:.{digits}f}".replace("-", MINUS)


def short(value: float | None) -> str:
    """A number with two significant digits, for differences of any magnitude; UNKNOWN for None."""
    if value is None:
        return UNKNOWN
    if not math.isfinite(value):
        return "not finite"
    return f"{value:.2g}".replace("-", MINUS)


def percent(value: float | None, digits: int = 0) -> str:
    """A share, 0…1, as a percentage; UNKNOWN for None."""
    if value is None:
        return UNKNOWN
    if not math.isfinite(value):
        return "not finite"
    return f"{value:.{digits}%}".replace("-", MINUS)


def share(value: float) -> str:
    """A share of the pixels of a picture, 0…1, as a percentage. A single pixel never shows as 0%."""
    return "0%" if value == 0 else "< 0.001%" if value < 1e-5 else percent(value, 3)


def change(value: float) -> str:
    """A relative change as a percentage with its sign; "from none" if it is infinite."""
    if not math.isfinite(value):
        return "from none"
    return "0.00%" if abs(value) < 5e-5 else f"{value:+.2%}".replace("-", MINUS)


def milliseconds(seconds: float | None) -> str:
    """Seconds as milliseconds; UNKNOWN for None."""
    if seconds is None:
        return UNKNOWN
    return f"{1000 * seconds:.0f} ms" if seconds >= 0.01 else f"{1000 * seconds:.1f} ms"


def megabytes(count: int) -> str:
    """Bytes as megabytes, of a million bytes each."""
    return f"{count / 1e6:.1f}"


def words(name: str) -> str:
    """An identifier, such as image_encoder, as words."""
    return name.replace("_", " ")


def count(number: int, noun: str) -> str:
    """A number and a noun, such as ``1 case`` or ``2 cases``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
