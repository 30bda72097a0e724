"""What a target is: something that artifacts are measured on."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from reference.common.errors import MobileSAMError
from validation.artifacts.artifact import Artifact

if TYPE_CHECKING:  # names of targets are wanted without torch, which measuring imports
    from validation.latency.results import TargetResult
    from validation.latency.running.plan import Plan


class TargetError(MobileSAMError):
    """A target that does not exist, that cannot be set as asked, or that an artifact is not for."""


class Target(Protocol):
    """Something that artifacts are measured on.

    Attributes:
        name: what ``--target`` calls it. Before the last dash, if any, is its family's.
        measures: what its figures are figures of, in a few words.
    """

    name: str
    measures: str

    def require_fitting(self, artifacts: Sequence[Artifact], image: Path | None) -> None:
        """Refuse what it can never measure, before anything is measured on any target.

        Raises:
            TargetError: an artifact is for another platform, or the target takes no photo.
        """
        ...

    def missing(self) -> str | None:
        """What this machine lacks for it, in words that follow "NOT RUN: "; None if nothing."""
        ...

    def measure(
        self, artifacts: Sequence[Artifact], plan: "Plan", image: Path | None
    ) -> "TargetResult":
        """Measure artifacts side by side, if nothing is missing.

        What goes wrong with one artifact is in its result, and harms no other.

        Args:
            artifacts: what is measured; ratios are to the first.
            plan: how much.
            image: the photo that they are run on; None: a golden of theirs.
        """
        ...


def require_format(name: str, artifacts: Iterable[Artifact], expected: str) -> None:
    """Refuse artifacts that are not of the only format that the target ``name`` runs.

    Raises:
        TargetError: an artifact is of another format.
    """
    for artifact in artifacts:
        if artifact.format != expected:
            raise TargetError(
                f"{artifact.folder}: its format is {artifact.format}: expected {expected} for the "
                f"target {name}; convert it with 'convert {expected}', or name another target"
            )


def require_no_image(name: str, image: Path | None) -> None:
    """Refuse a photo for the target ``name``, whose app runs an artifact's goldens; TargetError."""
    if image is not None:
        raise TargetError(
            f"--image {image} with the target {name}: expected none; its app runs the artifact's goldens"
        )
