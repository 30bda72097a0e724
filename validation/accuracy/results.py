"""The scores of objects, and their means."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

# Protocols: the ways in which a model is prompted, in the order in which results show them.
POINT_BEST, POINT, BOX, CLICKS = "point_best_of_three", "point", "box", "three_clicks"
PROTOCOLS = {
    POINT_BEST: "one point, the best of the three masks",
    POINT: "one point, the mask of the highest score",
    BOX: "the tight box",
    CLICKS: "one point, then three corrective clicks",
}

# The bounds of COCO's size classes: areas in pixels of the photo.
SMALL_AREA, MEDIUM_AREA = 32**2, 96**2


@dataclass(frozen=True)
class InstanceScore:
    """The scores of one object.

    Attributes:
        sample: the photo's name.
        instance: the object's name.
        area: the area of the true mask, in pixels of the photo.
        is_part: whether the object is a part of another one; None if that is unknown.
        ious: protocol → IoU with the true mask, at the photo's own size.
        blank: the protocols whose mask shows no object, because it is empty or covers the whole photo.
    """

    sample: str
    instance: str
    area: int
    is_part: bool | None
    ious: Mapping[str, float]
    blank: tuple[str, ...] = ()


GROUPS: dict[str, Callable[[InstanceScore], bool]] = {
    "small": lambda score: score.area < SMALL_AREA,
    "medium": lambda score: SMALL_AREA <= score.area < MEDIUM_AREA,
    "large": lambda score: score.area >= MEDIUM_AREA,
    "whole": lambda score: score.is_part is False,
    "part": lambda score: score.is_part is True,
}


@dataclass(frozen=True)
class Accuracy:
    """The scores of all objects. There is at least one."""

    scores: tuple[InstanceScore, ...]

    @property
    def miou(self) -> dict[str, float]:
        """Protocol → mean IoU over all objects."""
        return {
            protocol: sum(score.ious[protocol] for score in self.scores) / len(self.scores)
            for protocol in PROTOCOLS
        }

    @property
    def groups(self) -> dict[str, "Accuracy"]:
        """Size class, "whole" or "part" → its objects. Empty groups are left out."""
        members = {
            name: tuple(score for score in self.scores if belongs(score))
            for name, belongs in GROUPS.items()
        }
        return {name: Accuracy(scores) for name, scores in members.items() if scores}

    @property
    def unproven(self) -> list[str]:
        """The protocols in which no object is found at all, so that a loss cannot show."""
        return [
            protocol
            for protocol, miou in self.miou.items()
            if miou == 0 or all(protocol in score.blank for score in self.scores)
        ]

    def miou_lost(self, reference: "Accuracy") -> dict[str, float]:
        """Return protocol → the mean IoU of ``reference`` on the same objects, minus this mean IoU."""
        ours, theirs = self.miou, reference.miou
        return {protocol: theirs[protocol] - ours[protocol] for protocol in PROTOCOLS}
