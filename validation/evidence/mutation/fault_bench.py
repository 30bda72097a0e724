"""Finds the smallest mistake that each kind of gate catches.

The baseline of ``validate regress`` is the artifact without the mistake.
"""

import functools
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from validation.artifacts.artifact import Artifact, load_artifact
from validation.evidence.mutation.fault_gates import (
    COMPARE_MASKS,
    COMPARE_SQNR,
    GATES,
    FaultGates,
    record_of,
)
from validation.evidence.mutation.fault_making import FaultMaker
from validation.evidence.mutation.suite import Suite
from validation.evidence.mutation.weight_faults import Fault, Pair
from validation.regression.record import Record


@dataclass(frozen=True)
class Measured:
    """An artifact, with or without a fault.

    Attributes:
        caught: the kinds of gates that it fails, each with the first reason.
        embeddings_sqnr: lowest SQNR of the embeddings in the golden cases, in whole dB, as a baseline keeps it.
        lowest_iou: lowest IoU of a mask that users see.
    """

    caught: Mapping[str, str]
    embeddings_sqnr: int
    lowest_iou: float


@dataclass(frozen=True)
class FaultResult:
    """What catches a kind of mistake in one artifact.

    Attributes:
        fault: the kind of mistake.
        pair: (format, scheme) of the artifact.
        sound: the artifact without the mistake.
        subtle: the artifact with the mistake in the size of the subtle mutant.
        smallest: kind of gate → the smallest size that it catches; None if it does not even catch the largest.
    """

    fault: Fault
    pair: Pair
    sound: Measured
    subtle: Measured
    smallest: Mapping[str, float | None]

    @property
    def smallest_of_all(self) -> float | None:
        """The smallest size that any gate catches; None if there is none."""
        return min((size for size in self.smallest.values() if size is not None), default=None)

    @property
    def is_caught_by_compare(self) -> bool:
        """Whether ``validate compare`` catches the subtle mutant."""
        return any(gate in self.subtle.caught for gate in (COMPARE_MASKS, COMPARE_SQNR))


class FaultBench:
    """Makes faults in sound artifacts, and measures them. Each is made once."""

    def __init__(self, suite: Suite, folder: Path) -> None:
        """Take the suite that has the sound artifacts, and a folder to work in."""
        self._suite, self._folder = suite, folder
        self._gates, self._maker = FaultGates(), FaultMaker(suite.source, suite.tiny)
        self.measured = functools.cache(self._measure_fault)
        self.sound = functools.cache(self._measure_sound)
        self._baseline = functools.cache(self._record_sound)

    def run(self, fault: Fault, pair: Pair) -> FaultResult:
        """Make the subtle mutant, and find the smallest fault that each kind of gate catches.

        The search takes for granted that a size is caught if a smaller one is.
        """
        return FaultResult(
            fault,
            pair,
            self.sound(pair),
            self.measured(fault, pair, fault.subtle),
            {gate: self._smallest(fault, pair, gate) for gate in GATES},
        )

    def _smallest(self, fault: Fault, pair: Pair, gate: str) -> float | None:
        sizes = fault.sizes
        if gate not in self.measured(fault, pair, sizes[-1]).caught:
            return None
        low, high = 0, len(sizes) - 1  # the size at ``high`` is caught
        while low < high:
            middle = (low + high) // 2
            if gate in self.measured(fault, pair, sizes[middle]).caught:
                high = middle
            else:
                low = middle + 1
        return sizes[high]

    def _measure_sound(self, pair: Pair) -> Measured:
        return self._measure(self._suite.artifact(*pair), pair)

    def _measure_fault(self, fault: Fault, pair: Pair, size: float) -> Measured:
        folder = self._folder / "fault"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self._suite.artifact(*pair).folder, folder)
        self._maker.make(fault, pair, size, folder)
        return self._measure(load_artifact(folder), pair)

    def _measure(self, artifact: Artifact, pair: Pair) -> Measured:
        comparison = self._suite.compare(artifact, pictures=True)
        now = record_of(artifact, comparison)
        return Measured(
            self._gates.caught(self._baseline(pair), now, comparison),
            now.figures["masks.embeddings_sqnr"],
            comparison.summary.min_seen_iou,
        )

    def _record_sound(self, pair: Pair) -> Record:
        artifact = self._suite.artifact(*pair)
        return record_of(artifact, self._suite.compare(artifact, pictures=True))
