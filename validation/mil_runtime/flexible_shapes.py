"""Which shapes an input may have: one, one of several, or a range of sizes; Core ML's rules.

Sources: coremltools' guide "Flexible Input Shapes", ``FeatureTypes.proto``, and the checks of a
model's interface that coremltools publishes (``mlmodel/src/Validation/InterfaceValidators.cpp``).
That several inputs take their n-th shapes together is from coremltools' issue 2271, and that shapes
and ranges do not mix from issue 2548, with the names of Core ML's own errors.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from validation.mil_runtime.errors import InputError, ModelError

# "You can provide up to 128 different shapes", says the guide.
_MOST_SHAPES = 128
_TOLD = 8  # shapes that a message names
# The specification of iOS 18, the first with several inputs of enumerated shapes.
_SEVERAL_ENUMERATED = 9


@dataclass(frozen=True)
class SizeRange:
    """Allowed sizes of one axis, both ends included; ``upper`` is None where there is no end."""

    lower: int
    upper: int | None

    def __contains__(self, size: int) -> bool:
        return self.lower <= size and (self.upper is None or size <= self.upper)

    def __str__(self) -> str:
        if self.lower == self.upper:
            return str(self.lower)
        return f"{self.lower} to {'any' if self.upper is None else self.upper}"

    @property
    def is_possible(self) -> bool:
        """Whether there is such a size."""
        return self.lower >= 0 and (self.upper is None or self.lower <= self.upper)


Shape = tuple[SizeRange, ...]
# A shape is allowed if it fits one of these.
Shapes = tuple[Shape, ...]


def exactly(shape: "tuple[int, ...]") -> Shape:
    """The range that holds this shape only."""
    return tuple(SizeRange(size, size) for size in shape)


def is_flexible(shapes: Shapes) -> bool:
    """Whether there are several."""
    return len(shapes) > 1 or _is_range(shapes)


def fits(shape: tuple[int, ...], shapes: Shapes) -> bool:
    """Whether a shape is one of the allowed."""
    return any(map(_fitting(shape), shapes))


def describe(shapes: Shapes) -> str:
    """In words, for messages."""
    if not shapes:
        return "any"
    told = [f"[{', '.join(map(str, shape))}]" for shape in shapes[:_TOLD]]
    return " or ".join(told + _untold(len(shapes)))


def describe_misfit(shape: tuple[int, ...], shapes: Shapes) -> str:
    """What is wrong with a shape that fits none of ``shapes``, where Core ML is as exact: its words."""
    if len(shapes) > 1:
        sizes = " x ".join(map(str, shape))
        return f"MultiArray Shape ({sizes}) was not in enumerated set of allowed shapes"
    (allowed,) = shapes
    if len(shape) == len(allowed) and _is_range(shapes):
        axis = next(axis for axis, size in enumerate(shape) if size not in allowed[axis])
        lower, upper = allowed[axis].lower, allowed[axis].upper
        return (
            f"Size ({shape[axis]}) of dimension ({axis}) is not in allowed range "
            f"({lower}..{'any' if upper is None else upper})"
        )
    return f"an array of shape {list(shape)}"


def require_compatible(inputs: Mapping[str, Shapes], specification_version: int) -> None:
    """Refuse what Core ML does not take together.

    Args:
        inputs: name → the shapes that it allows.
        specification_version: of the model.

    Raises:
        ModelError: an input has too many enumerated shapes; several inputs have some before iOS 18, or
            different numbers of them; or one has enumerated shapes and another a range.
    """
    enumerated = {name: shapes for name, shapes in inputs.items() if len(shapes) > 1}
    ranges = [name for name, shapes in inputs.items() if _is_range(shapes)]
    counts = {name: len(shapes) for name, shapes in enumerated.items()}
    for name, count in counts.items():
        if count > _MOST_SHAPES:
            raise ModelError(
                f"the input '{name}' has {count} enumerated shapes: expected at most {_MOST_SHAPES}; "
                "convert again with fewer, or with ct.RangeDim"
            )
    if enumerated and ranges:
        raise ModelError(
            f"the input '{next(iter(enumerated))}' has enumerated shapes and '{ranges[0]}' a range: "
            "Core ML takes one kind in a model; convert again with ct.RangeDim for all, or with "
            "ct.EnumeratedShapes for all"
        )
    if len(enumerated) > 1 and specification_version < _SEVERAL_ENUMERATED:
        raise ModelError(
            f"the inputs {_join(enumerated)} have enumerated shapes: before iOS 18 Core ML takes one "
            "such input; convert again for iOS 18, or with ct.RangeDim"
        )
    if len(set(counts.values())) > 1:
        raise ModelError(
            "the inputs have different numbers of enumerated shapes ("
            + ", ".join(f"'{name}' {count}" for name, count in counts.items())
            + "): expected as many of each, since the first go together, the second, and so on; "
            "convert again"
        )


def require_together(given: Mapping[str, tuple[int, ...]], allowed: Mapping[str, Shapes]) -> None:
    """Refuse shapes of several inputs that are allowed, but not together: the n-th of each are.

    Args:
        given: name → its shape now, one of the allowed.
        allowed: name → the shapes that it allows.

    Raises:
        InputError: they stand at different places of their lists.
    """
    enumerated = {name: shapes for name, shapes in allowed.items() if len(shapes) > 1}
    if len(enumerated) < 2:
        return
    matches = (map(_fitting(given[name]), shapes) for name, shapes in enumerated.items())
    if any(map(all, zip(*matches, strict=True))):
        return
    rows = list(zip(*enumerated.values(), strict=True))
    told = [
        " with ".join(
            f"'{name}' {describe((shape,))}" for name, shape in zip(enumerated, row, strict=True)
        )
        for row in rows[:_TOLD]
    ]
    shapes = ", ".join(f"'{name}' {list(given[name])}" for name in enumerated)
    raise InputError(
        f"inputs {shapes}: are not enumerated together, expected "
        f"{', or '.join(told + _untold(len(rows)))}"
    )


def _fitting(shape: tuple[int, ...]) -> Callable[[Shape], bool]:
    return lambda allowed: (
        len(shape) == len(allowed)
        and all(size in sizes for size, sizes in zip(shape, allowed, strict=True))
    )


def _is_range(shapes: Shapes) -> bool:
    return len(shapes) == 1 and any(sizes.lower != sizes.upper for sizes in shapes[0])


def _untold(count: int) -> list[str]:
    return [f"one of {count - _TOLD} more"] if count > _TOLD else []


def _join(names: Mapping[str, object]) -> str:
    return ", ".join(f"'{name}'" for name in names)
