"""How many steps of tuning a conversion may ask for. The module imports nothing heavy."""

from collections.abc import Collection

from reference.common.errors import ConversionError

_MOST_STEPS = 10_000


def require_steps(steps: int, scheme: str, float_schemes: Collection[str]) -> None:
    """Raise ConversionError unless a scheme can be tuned with so many steps; 0 stands for no tuning.

    Args:
        steps: the number of steps.
        scheme: the scheme.
        float_schemes: the schemes of the format that keep all weights as floats.
    """
    if not 0 <= steps <= _MOST_STEPS:
        raise ConversionError(f"tune {steps}: expected 0 to {_MOST_STEPS} steps")
    if steps and scheme in float_schemes:
        raise ConversionError(
            f"tune with the scheme '{scheme}', whose weights are floats: expected a scheme of few bits, such as int8"
        )
