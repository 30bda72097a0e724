"""Whether the machine was fit to measure on: its load, its throttling, its saving of power."""

import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

LARGEST_SHARE = 0.1  # of one core, that other processes may use of the cores that are measured
# Of each core that the measured threads leave free: what else runs has room there, but shares caches
# and the processor's power.
SPARE_SHARE = 0.5
_CLOCK_STEPS = 0.02  # seconds; /proc/stat counts in steps of 0.01, before and after

_THROTTLE_COUNTS = "sys/devices/system/cpu/cpu*/thermal_throttle/*_throttle_count"
_POWER_PROFILE = "sys/firmware/acpi/platform_profile"
_POWER_PREFERENCE = "sys/devices/system/cpu/cpu{core}/cpufreq/energy_performance_preference"
_FREQUENCY_LIMIT = "sys/devices/system/cpu/cpu{core}/cpufreq/scaling_max_freq"


@dataclass(frozen=True)
class HostState:
    """What the system tells at a moment; None for what it does not tell.

    Attributes:
        time: seconds, of a clock that only goes on.
        busy: processor seconds of all processes on the measured cores since the machine started.
        own: processor seconds of this process.
        throttled: how often the processor has slowed down for heat since the machine started.
        frequency_limit: the highest that the cores' frequency may reach, summed, in kHz. Arm
            systems lower it for heat; one that was lowered long before is somebody's choice.
        saving: how the machine saves power, in words; None also if it does not.
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
        cores: that are measured on.
    """

    def __init__(self, cores: Sequence[int], root: Path = Path("/")) -> None:
        """Watch ``cores``, in the proc and sys folders below ``root``."""
        self.cores = tuple(cores)
        self._root = root

    def state(self) -> HostState:
        """What the system tells now."""
        return HostState(
            time=time.perf_counter(),
            busy=self._busy(),
            own=time.process_time(),
            throttled=self._throttled(),
            frequency_limit=self._frequency_limit(),
            saving=self._saving(),
        )

    def unwatched(self) -> list[str]:
        """What this system does not tell, so that nobody takes silence for health."""
        state = self.state()
        missing = []
        if state.busy is None:
            missing.append("the load of other processes")
        if state.throttled is None and state.frequency_limit is None:
            missing.append("throttling for heat")
        if state.saving is None and not self._tells_of_saving():
            missing.append("the saving of power")
        return missing

    def _busy(self) -> float | None:
        lines = (self._read("proc/stat") or "").splitlines()
        rows = [line.split() for line in lines]
        ticks = [
            sum(map(int, (*row[1:4], *row[6:9])))  # all but idle and iowait; guest is in user
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
    """Processor seconds of other processes, and of other virtual machines, between two states.

    Args:
        before: the earlier state.
        after: the later state.
        measured: processor seconds of child processes that are no others.
    """
    if before.busy is None or after.busy is None:
        return None
    return max(0.0, after.busy - before.busy - (after.own - before.own) - measured)


def disturbance(
    start: HostState, before: HostState, after: HostState, measured: float, spare_cores: int
) -> str | None:
    """Why what was measured between two states does not count; None if it does.

    Args:
        start: when all measuring began.
        before: the earlier state.
        after: the later state.
        measured: processor seconds of the process that was measured.
        spare_cores: how many of the host's cores the measured threads leave free.
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
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def machine() -> str:
    """This machine, in words: cores, processor and system."""
    cores = len(available_cores())
    return f"{cores} cores of {_processor()}, {platform.system()} {platform.machine()}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "an unnamed processor"
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _power_settings() -> str:
    """What macOS says of power, with single spaces."""
    done = subprocess.run(["/usr/bin/pmset", "-g"], capture_output=True, text=True, check=False)
    return " ".join(done.stdout.split())
