"""The interface of a target: a processor, a runtime or a phone that artifacts are measured on."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from reference.common.errors import MobileSAMError
from validation.artifacts.artifact import Artifact

if TYPE_CHECKING:  # these modules import torch, which the names of targets do not need
    from validation.latency.results import TargetResult
    from validation.latency.running.plan import Plan


class TargetError(MobileSAMError):
    """A target does not exist, cannot be adjusted as asked, or does not run an artifact."""


class Target(Protocol):
    """A processor, a runtime or a phone that artifacts are measured on.

    Attributes:
        name: the name for ``--target``. The part before the last dash, if any, is its family's name.
        measures: what the figures mean, in a few words.
    """

    name: str
    measures: str

    def require_fitting(self, artifacts: Sequence[Artifact], image: Path | None) -> None:
        """Refuse input that the target can never measure, before any target measures anything.

        Raises:
            TargetError: an artifact is for another platform, or the target takes no photo.
        """
        ...

    def missing(self) -> str | None:
        """Return what this machine lacks, in words that follow "NOT RUN: ", or None."""
        ...

    def measure(
        self, artifacts: Sequence[Artifact], plan: "Plan", image: Path | None
    ) -> "TargetResult":
        """Measure artifacts side by side, if nothing is missing.

        An error of one artifact is recorded in its result and does not affect the others.

        Args:
            artifacts: the artifacts to measure; ratios are to the first one.
            plan: how many runs are measured.
            image: the photo to run the artifacts on; None for a golden photo of each artifact.
        """
        ...


def require_format(name: str, artifacts: Iterable[Artifact], expected: str) -> None:
    """Refuse artifacts of other formats than the only one that the target ``name`` runs.

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
    """Refuse a photo for the target ``name``, whose app runs an artifact's goldens.

    Raises:
        TargetError: there is a photo.
    """
    if image is not None:
        raise TargetError(
            f"--image {image}: the target {name} takes no photo, because its app runs the goldens: leave --image out"
        )
