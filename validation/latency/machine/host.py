"""Checks whether the machine was fit to measure on: its load, its throttling, its power saving."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reference.common.processor import processor_name

# Share of one core that other processes may use on the measured cores.
LARGEST_SHARE = 0.1
# Share that they may use of each core that the measured threads leave free. Other processes have room
# there, but they share caches and the processor's power with the measured threads.
SPARE_SHARE = 0.5
_CLOCK_STEPS = 0.02  # seconds; /proc/stat counts in steps of 0.01, and is read twice

_THROTTLE_COUNTS = "sys/devices/system/cpu/cpu*/thermal_throttle/*_throttle_count"
_POWER_PROFILE = "sys/firmware/acpi/platform_profile"
_POWER_PREFERENCE = "sys/devices/system/cpu/cpu{core}/cpufreq/energy_performance_preference"
_FREQUENCY_LIMIT = "sys/devices/system/cpu/cpu{core}/cpufreq/scaling_max_freq"


@dataclass(frozen=True)
class HostState:
    """The state that the system reports at one moment. A value that it does not report is None.

    Attributes:
        time: the seconds of a monotonic clock.
        busy: processor seconds of all processes on the measured cores since the machine started.
        own: processor seconds of this process.
        throttled: how often the processor has slowed down for heat since the machine started.
        frequency_limit: the sum of the cores' maximum frequencies in kHz. Arm systems lower it for
            heat. A limit that was low from the start is a setting, not heat.
        saving: how the machine saves power, in words; None if it does not, or does not say.
    """

    time: float
    busy: float | None
    own: float
    throttled: int | None
    frequency_limit: int | None
    saving: str | None


class Host:
    """Watches this machine.

    Attributes:
        cores: the cores that are measured on.
    """

    def __init__(self, cores: Sequence[int], root: Path = Path("/")) -> None:
        """Watch ``cores`` through the proc and sys folders below ``root``."""
        self.cores = tuple(cores)
        self._root = root

    def state(self) -> HostState:
        """Return the current state."""
        return HostState(
            time=time.perf_counter(),
            busy=self._busy(),
            own=time.process_time(),
            throttled=self._throttled(),
            frequency_limit=self._frequency_limit(),
            saving=self._saving(),
        )

    def unwatched(self) -> list[str]:
        """Return what this system does not report, so that a missing warning is not taken for good news."""
        state = self.state()
        missing = []
        if state.busy is None:
            missing.append("the load of other processes")
        if state.throttled is None and state.frequency_limit is None:
            missing.append("throttling for heat")
        if state.saving is None and not self._tells_of_saving():
            missing.append("power saving")
        return missing

    def _busy(self) -> float | None:
        lines = (self._read("proc/stat") or "").splitlines()
        rows = [line.split() for line in lines]
        ticks = [
            # All columns but idle and iowait. The guest columns are already part of user.
            sum(map(int, (*row[1:4], *row[6:9])))
            for row in rows
            if row and row[0].removeprefix("cpu") in map(str, self.cores)
        ]
        return sum(ticks) / os.sysconf("SC_CLK_TCK") if ticks else None

    def _throttled(self) -> int | None:
        counts = [int(path.read_text()) for path in self._root.glob(_THROTTLE_COUNTS)]
        return sum(counts) if counts else None

    def _frequency_limit(self) -> int | None:
        limits = [self._read(_FREQUENCY_LIMIT.format(core=core)) for core in self.cores]
        return None if None in limits else sum(map(int, limits))

    def _saving(self) -> str | None:
        if sys.platform == "darwin":
            return "low power mode" if "lowpowermode 1" in _power_settings() else None
        if self._read(_POWER_PROFILE) == "low-power":
            return "platform profile low-power"
        for core in self.cores:
            if self._read(_POWER_PREFERENCE.format(core=core)) == "power":
                return "energy preference power"
        return None

    def _tells_of_saving(self) -> bool:
        if sys.platform == "darwin":
            return "lowpowermode" in _power_settings()
        preference = self._root / _POWER_PREFERENCE.format(core=self.cores[0])
        return preference.exists() or (self._root / _POWER_PROFILE).exists()

    def _read(self, name: str) -> str | None:
        try:
            return (self._root / name).read_text().strip()
        except OSError:
            return None


def others_seconds(before: HostState, after: HostState, measured: float = 0.0) -> float | None:
    """Return the processor seconds of other processes and virtual machines between two states.

    Args:
        before: the earlier state.
        after: the later state.
        measured: processor seconds of the child processes that are measured.

    Returns:
        The seconds, or None if the system does not report its load.
    """
    if before.busy is None or after.busy is None:
        return None
    return max(0.0, after.busy - before.busy - (after.own - before.own) - measured)


def disturbance(
    start: HostState, before: HostState, after: HostState, measured: float, spare_cores: int
) -> str | None:
    """Return the reason why a measurement between two states does not count, or None if it counts.

    Args:
        start: the state when all measuring began.
        before: the state before the measurement.
        after: the state after the measurement.
        measured: processor seconds of the process that was measured.
        spare_cores: the number of the host's cores that the measured threads leave free.
    """
    if saving := before.saving or after.saving:
        return f"the machine saves power ({saving})"
    throttled = _grew(before.throttled, after.throttled)
    if throttled or _grew(after.frequency_limit, start.frequency_limit):
        return "the processor slowed down for heat"
    others = others_seconds(before, after, measured)
    share = LARGEST_SHARE + SPARE_SHARE * spare_cores
    if others is not None and others > share * (after.time - before.time) + _CLOCK_STEPS:
        return f"other processes used more than {share:g} of a core"
    return None


def _grew(before: int | None, after: int | None) -> bool:
    return before is not None and after is not None and after > before


def available_cores() -> tuple[int, ...]:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def machine() -> str:
    """Describe this machine in words: its cores, processor and system."""
    cores = len(available_cores())
    return f"{cores} cores of {processor_name()}, {platform.system()} {platform.machine()}"


def _power_settings() -> str:
    """Return macOS's power settings, with single spaces between the words."""
    done = subprocess.run(["/usr/bin/pmset", "-g"], capture_output=True, text=True, check=False)
    return " ".join(done.stdout.split())
