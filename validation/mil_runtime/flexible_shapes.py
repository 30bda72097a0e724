"""The shapes that an input may have: one shape, enumerated shapes, or ranges of sizes.

Sources: coremltools' guide "Flexible Input Shapes", ``FeatureTypes.proto``, and the checks of a
model's interface that coremltools publishes (``mlmodel/src/Validation/InterfaceValidators.cpp``).
coremltools' issue 2271 shows that several inputs must take their n-th shapes together. Its issue 2548
shows that enumerated shapes and ranges do not mix, and quotes Core ML's own errors.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from validation.mil_runtime.errors import InputError, ModelError

# The guide says: "You can provide up to 128 different shapes".
_MOST_SHAPES = 128
_TOLD = 8  # shapes that a message lists
# The specification version of iOS 18, the first that allows several inputs with enumerated shapes.
_SEVERAL_ENUMERATED = 9


@dataclass(frozen=True)
class SizeRange:
    """The allowed sizes of one axis, both ends included; ``upper`` is None without an upper limit."""

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
        """Whether the range has a valid size at all."""
        return self.lower >= 0 and (self.upper is None or self.lower <= self.upper)


Shape = tuple[SizeRange, ...]
# A shape is allowed if it fits one of these.
Shapes = tuple[Shape, ...]


def exactly(shape: "tuple[int, ...]") -> Shape:
    """Return the ranges that only this shape fits."""
    return tuple(SizeRange(size, size) for size in shape)


def is_flexible(shapes: Shapes) -> bool:
    """Return whether more than one shape is allowed."""
    return len(shapes) > 1 or _is_range(shapes)


def fits(shape: tuple[int, ...], shapes: Shapes) -> bool:
    """Return whether a shape is allowed."""
    return any(map(_fitting(shape), shapes))


def describe(shapes: Shapes) -> str:
    """Describe the allowed shapes in words, for messages."""
    if not shapes:
        return "any"
    told = [f"[{', '.join(map(str, shape))}]" for shape in shapes[:_TOLD]]
    return " or ".join(told + _untold(len(shapes)))


def describe_misfit(shape: tuple[int, ...], shapes: Shapes) -> str:
    """Describe why a shape is not allowed, in Core ML's words where it has a message for it."""
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
    """Refuse combinations of allowed shapes that Core ML refuses.

    Args:
        inputs: name → the allowed shapes of the input.
        specification_version: the specification version of the model.

    Raises:
        ModelError: an input has too many enumerated shapes; several inputs have enumerated shapes
            before iOS 18; several inputs have different numbers of shapes; or one input has
            enumerated shapes and another has a range.
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
            "Core ML allows one kind in a model; convert again with ct.RangeDim for all, or with "
            "ct.EnumeratedShapes for all"
        )
    if len(enumerated) > 1 and specification_version < _SEVERAL_ENUMERATED:
        raise ModelError(
            f"the inputs {_join(enumerated)} have enumerated shapes: before iOS 18 Core ML allows "
            "one such input; convert again for iOS 18, or with ct.RangeDim"
        )
    if len(set(counts.values())) > 1:
        raise ModelError(
            "the inputs have different numbers of enumerated shapes ("
            + ", ".join(f"'{name}' {count}" for name, count in counts.items())
            + "): expected the same number for each, because the n-th shapes belong together; convert "
            "again"
        )


def require_together(given: Mapping[str, tuple[int, ...]], allowed: Mapping[str, Shapes]) -> None:
    """Refuse enumerated shapes of several inputs that do not belong together.

    Only the n-th shapes of all inputs belong together.

    Args:
        given: name → the shape of the input's value, one of the allowed shapes.
        allowed: name → the allowed shapes of the input.

    Raises:
        InputError: the shapes are at different positions of their lists.
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
