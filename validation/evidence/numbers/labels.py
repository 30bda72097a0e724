"""Places words next to the dots of a drawing, so that they cover neither dots nor each other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Place = tuple[float, float]  # x and y in pixels. y points down.

RADIUS = 5  # pixels of a dot
_CHARACTER, _HEIGHT = 6.3, 12  # pixels of text at 11 px, at most
_ASCENT = 10  # pixels from the top of a line of text to its baseline
_GAP = 4  # pixels between a dot and its label
_STEP = 3  # pixels between the boxes of a line
_FAR = (0, 8, 16, 26)  # more pixels, for labels that do not fit next to their dots


@dataclass(frozen=True)
class Box:
    """A rectangle, in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    def shared(self, other: "Box") -> float:
        """Return the area that both have in common."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(width, 0) * max(height, 0)

    @property
    def area(self) -> float:
        """The area."""
        return (self.right - self.left) * (self.bottom - self.top)

    @property
    def baseline(self) -> float:
        """The y of a line of text that fills the box."""
        return self.top + _ASCENT


def around(x: float, y: float) -> Box:
    """Return the box of a dot."""
    return Box(x - RADIUS, y - RADIUS, x + RADIUS, y + RADIUS)


def along(start: Place, end: Place) -> list[Box]:
    """Return small boxes that cover a line."""
    (x1, y1), (x2, y2) = start, end
    count = int(max(abs(x2 - x1), abs(y2 - y1)) / _STEP) + 1
    return [
        Box(x - _STEP / 2, y - _STEP / 2, x + _STEP / 2, y + _STEP / 2)
        for x, y in (
            (x1 + (x2 - x1) * index / count, y1 + (y2 - y1) * index / count)
            for index in range(count + 1)
        )
    ]


def place_labels(
    labels: Sequence[tuple[str, Place]], obstacles: Sequence[Box], panel: Box
) -> list[Box]:
    """Return the box of each label.

    Each takes the first of several places that is free, or else the one that covers least.

    Args:
        labels: the words of each label, and the place of its dot.
        obstacles: what labels should not cover, such as dots and lines.
        panel: what labels should not leave.
    """
    taken = list(obstacles)
    found: list[Box] = []
    for name, (x, y) in labels:
        candidates = list(_candidates(x, y, _CHARACTER * len(name)))
        costs = [box.area - box.shared(panel) + sum(map(box.shared, taken)) for box in candidates]
        found.append(candidates[costs.index(min(costs))])
        taken.append(found[-1])
    return found


def _candidates(x: float, y: float, width: float) -> Iterator[Box]:
    """Yield the places for a label of a dot, the best first."""
    near = RADIUS + _GAP
    for far in _FAR:
        for left, top in (
            (x + near, y - _HEIGHT / 2 - far),
            (x - near - width, y - _HEIGHT / 2 - far),
            (x - width / 2, y - near - _HEIGHT - far),
            (x - width / 2, y + near + far),
            (x + near, y - _HEIGHT / 2 + far),
            (x - near - width, y - _HEIGHT / 2 + far),
        ):
            yield Box(left, top, left + width, top + _HEIGHT)
