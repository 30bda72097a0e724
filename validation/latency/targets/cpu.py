"""Targets of this machine's own processor: as it is, and held back to what a phone offers."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from validation.artifacts.artifact import Artifact
from validation.engines import engine_openers
from validation.latency.machine.host import Host, available_cores, machine
from validation.latency.machine.memory import can_limit
from validation.latency.running.session import Session
from validation.latency.running.worker import Setting
from validation.latency.targets.target import TargetError

if TYPE_CHECKING:
    from validation.latency.results import Measurement, TargetResult
    from validation.latency.running.plan import Plan

# What runs a format on a processor, and what a reader must know of it.
_ENGINES = {
    "torchscript": ("lite_interpreter", None),
    "coreml": ("mil_runtime", "mil_runtime, not Core ML"),
}
_MOST_THREADS = 1024


@dataclass(frozen=True)
class CpuTarget:
    """A ``Target``: this machine's processor, or a part of it.

    Attributes:
        name: see ``Target``.
        measures: see ``Target``.
        threads: that compute; None: one for each core.
        cores: that it is pinned to; None: those that the system chooses.
        core_count: of a device-like profile, which is pinned to the first so many cores.
        memory_limit: see ``Setting``.
    """

    name: str
    measures: str
    threads: int | None = None
    cores: tuple[int, ...] | None = None
    core_count: int | None = None
    memory_limit: int | None = None

    def require_fitting(self, artifacts: Sequence[Artifact], image: Path | None) -> None:
        """See ``Target``: a processor runs all artifacts, on any photo."""

    def missing(self) -> str | None:
        """See ``Target``."""
        available = available_cores()
        if (self.cores or self.core_count) and not hasattr(os, "sched_setaffinity"):
            return "this system cannot pin a process to cores: measure on Linux"
        if self.core_count is not None and self.core_count > len(available):
            return f"it takes {self.core_count} cores, and there are {len(available)} here"
        if self.memory_limit is not None and not can_limit():
            return "this system does not tell how much memory was used at most: measure on Linux"
        return None

    def setting(self) -> Setting:
        """How the child processes run."""
        cores = self.cores
        if self.core_count is not None:
            cores = available_cores()[: self.core_count]
        threads = self.threads or len(cores or available_cores())
        return Setting(threads, cores, self.memory_limit)

    def measure(
        self, artifacts: Sequence[Artifact], plan: "Plan", image: Path | None
    ) -> "TargetResult":
        """See ``Target``."""
        # Here: these import torch, which a list of targets shall not wait for.
        from validation.latency.measuring import Subject, measure_side_by_side
        from validation.latency.results import Measurement, TargetResult

        missing = self.missing()
        notes = [_ENGINES[artifact.format][1] for artifact in artifacts]
        measurements = [
            Measurement(artifact, note, missing=missing)
            for artifact, note in zip(artifacts, notes, strict=True)
        ]
        unwatched: list[str] = []
        if missing is None:
            setting = self.setting()
            host = Host(setting.cores or available_cores())
            unwatched = host.unwatched()
            subjects = [Subject(_open(item, setting, image), item) for item in measurements]
            measure_side_by_side(subjects, plan, host, setting.threads)
        return TargetResult(
            self.name, self._describe(), self.device_like, missing, measurements, unwatched
        )

    @property
    def device_like(self) -> bool:
        """Whether it imitates a device."""
        return self.core_count is not None

    def _describe(self) -> str:
        if self.missing() is not None:
            return self.measures
        setting = self.setting()
        parts = [f"{setting.threads} {'thread' if setting.threads == 1 else 'threads'}"]
        if setting.cores is not None:
            parts.append(f"pinned to {', '.join(f'core {core}' for core in setting.cores)}")
        if setting.memory_limit is not None:
            parts.append(f"ended above {setting.memory_limit / 1e9:g} GB")
        label = "device-like, not a phone: " if self.device_like else ""
        return f"{label}{', '.join(parts)}; {machine()}"


def _open(item: "Measurement", setting: Setting, image: Path | None) -> Session:
    name, _ = _ENGINES[item.artifact.format]
    session = Session(item.artifact, engine_openers(item.artifact, name), setting, image)
    item.timeline = session.timeline
    return session


CPU = CpuTarget("cpu", "milliseconds of this machine's processor; see --threads and --cores")
# What of a phone can be imitated without one: how many threads and cores a task gets, and at which
# memory an app is ended. Its instructions per second, caches and heat cannot.
PHONES = (
    # The two performance cores of iPhones since the A11, and of Arm layouts of 2 + 6; half the memory
    # of a phone of 4 GB: the rest is the system's and other apps'.
    CpuTarget(
        "cpu:phone-big",
        "device-like, not a phone: 2 threads on 2 cores, 2 GB",
        threads=2,
        core_count=2,
        memory_limit=2_000_000_000,
    ),
    # The four efficiency cores, where either system puts work that nobody is waiting for.
    CpuTarget(
        "cpu:phone-little",
        "device-like, not a phone: 4 threads on 4 cores, 2 GB",
        threads=4,
        core_count=4,
        memory_limit=2_000_000_000,
    ),
    # What is left beside an app's own work; half the memory of a phone of 2 GB.
    CpuTarget(
        "cpu:phone-busy",
        "device-like, not a phone: 1 thread on 1 core, 1 GB",
        threads=1,
        core_count=1,
        memory_limit=1_000_000_000,
    ),
)


def cpu_targets() -> tuple[CpuTarget, ...]:
    """The processor as it is, and as phones offer theirs."""
    return CPU, *PHONES


def adjust(
    target: CpuTarget, threads: int | None = None, cores: Sequence[int] | None = None
) -> CpuTarget:
    """The target ``cpu`` with other threads, or pinned to cores.

    Raises:
        TargetError: the machine has no such core, or so many threads make no sense.
    """
    unknown = [str(core) for core in cores or () if core not in available_cores()]
    if unknown:
        raise TargetError(
            f"there is no core {', '.join(unknown)} here: expected some of "
            f"{', '.join(map(str, available_cores()))}"
        )
    if threads is not None and not 1 <= threads <= _MOST_THREADS:
        raise TargetError(f"{threads} threads: expected 1 to {_MOST_THREADS}")
    return replace(
        target, threads=threads, cores=None if cores is None else tuple(sorted(set(cores)))
    )
