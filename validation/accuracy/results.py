"""Scores of objects, and their means."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

# What a model is asked, and in which order results show it.
POINT_BEST, POINT, BOX, CLICKS = "point_best_of_three", "point", "box", "three_clicks"
PROTOCOLS = {
    POINT_BEST: "one point, the best of the three masks",
    POINT: "one point, the mask of the highest score",
    BOX: "the tight box",
    CLICKS: "one point, then three corrective clicks",
}

# COCO's size classes, by area in pixels of the photo.
SMALL_AREA, MEDIUM_AREA = 32**2, 96**2


@dataclass(frozen=True)
class InstanceScore:
    """How well one object was found.

    Attributes:
        sample: the photo's name.
        instance: the object's name.
        area: of the true mask, in pixels of the photo.
        is_part: whether the object is a part of another one; None if that is not known.
        ious: protocol → IoU with the true mask, at the photo's own size.
        blank: protocols whose mask is empty, or the whole photo: it shows no object.
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
    """How well objects were found; ``scores`` has at least one."""

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
        """Size classes, wholes and parts → their objects; only groups that have any."""
        members = {
            name: tuple(score for score in self.scores if belongs(score))
            for name, belongs in GROUPS.items()
        }
        return {name: Accuracy(scores) for name, scores in members.items() if scores}

    @property
    def unproven(self) -> list[str]:
        """Protocols in which no object is found at all: nothing can be lost of that."""
        return [
            protocol
            for protocol, miou in self.miou.items()
            if miou == 0 or all(protocol in score.blank for score in self.scores)
        ]

    def miou_lost(self, reference: "Accuracy") -> dict[str, float]:
        """Protocol → the reference's mean IoU over the same objects minus this one."""
        ours, theirs = self.miou, reference.miou
        return {protocol: theirs[protocol] - ours[protocol] for protocol in PROTOCOLS}
