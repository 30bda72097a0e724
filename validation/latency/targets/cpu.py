"""Targets that use this machine's own processor: all of it, or only as much as a phone offers."""

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

# Format → the engine that runs it on a processor, and a note for readers of the figures.
_ENGINES = {
    "torchscript": ("lite_interpreter", None),
    "coreml": ("mil_runtime", "mil_runtime, not Core ML"),
}
_MOST_THREADS = 1024


@dataclass(frozen=True)
class CpuTarget:
    """A ``Target`` that measures this machine's processor, or a part of it.

    Attributes:
        name: the target's name.
        measures: what the figures mean, in a few words.
        threads: the number of threads that compute; None for one per core.
        cores: the cores that the processes are pinned to; None if the system chooses them.
        core_count: for a device-like target, the number of cores that it is pinned to.
        memory_limit: the memory limit of ``Setting``.
    """

    name: str
    measures: str
    threads: int | None = None
    cores: tuple[int, ...] | None = None
    core_count: int | None = None
    memory_limit: int | None = None

    def require_fitting(self, artifacts: Sequence[Artifact], image: Path | None) -> None:
        """Refuse nothing: a processor runs every artifact, on any photo."""

    def missing(self) -> str | None:
        available = available_cores()
        if (self.cores or self.core_count) and not hasattr(os, "sched_setaffinity"):
            return "this system cannot pin a process to cores: measure on Linux"
        if self.core_count is not None and self.core_count > len(available):
            return f"it needs {self.core_count} cores, but this machine has {len(available)}"
        if self.memory_limit is not None and not can_limit():
            return "this system does not report peak memory: measure on Linux"
        return None

    def setting(self) -> Setting:
        """Return how the child processes run."""
        cores = self.cores
        if self.core_count is not None:
            cores = available_cores()[: self.core_count]
        threads = self.threads or len(cores or available_cores())
        return Setting(threads, cores, self.memory_limit)

    def measure(
        self, artifacts: Sequence[Artifact], plan: "Plan", image: Path | None
    ) -> "TargetResult":
        # These import torch. A list of targets should not have to wait for that.
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
        """Whether the target imitates a device."""
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
# Some properties of a phone can be imitated: how many threads and cores a task gets, and the memory at
# which an app is ended. A phone's instructions per second, caches and heat cannot be imitated.
PHONES = (
    # Two performance cores are what iPhones since the A11 have, and Arm processors with 2 + 6 cores. The
    # limit is half the memory of a phone with 4 GB; the system and other apps use the rest.
    CpuTarget(
        "cpu:phone-big",
        "device-like, not a phone: 2 threads on 2 cores, 2 GB",
        threads=2,
        core_count=2,
        memory_limit=2_000_000_000,
    ),
    # On the four efficiency cores, both systems run background work.
    CpuTarget(
        "cpu:phone-little",
        "device-like, not a phone: 4 threads on 4 cores, 2 GB",
        threads=4,
        core_count=4,
        memory_limit=2_000_000_000,
    ),
    # One core is left when the app is busy itself. The limit is half the memory of a phone with 2 GB.
    CpuTarget(
        "cpu:phone-busy",
        "device-like, not a phone: 1 thread on 1 core, 1 GB",
        threads=1,
        core_count=1,
        memory_limit=1_000_000_000,
    ),
)


def cpu_targets() -> tuple[CpuTarget, ...]:
    """Return the whole processor and the device-like parts of it."""
    return CPU, *PHONES


def adjust(
    target: CpuTarget, threads: int | None = None, cores: Sequence[int] | None = None
) -> CpuTarget:
    """Return the target with another number of threads, or pinned to cores.

    Args:
        target: the target ``cpu``.
        threads: the number of threads that compute; None for one per core.
        cores: the cores to pin the processes to; None if the system chooses them.

    Raises:
        TargetError: the machine has no such core, or the number of threads is out of range.
    """
    unknown = [str(core) for core in cores or () if core not in available_cores()]
    if unknown:
        raise TargetError(
            f"this machine has no core {', '.join(unknown)}: expected cores among "
            f"{', '.join(map(str, available_cores()))}"
        )
    if threads is not None and not 1 <= threads <= _MOST_THREADS:
        raise TargetError(f"{threads} threads: expected 1 to {_MOST_THREADS}")
    return replace(
        target, threads=threads, cores=None if cores is None else tuple(sorted(set(cores)))
    )
