"""Which machines are fit to measure on, with proc and sys folders that the tests write."""

import os

import pytest

from validation.latency.machine.host import (
    Host,
    HostState,
    available_cores,
    disturbance,
    others_seconds,
)

TICKS = os.sysconf("SC_CLK_TCK")


@pytest.fixture
def system(tmp_path):
    """Write files of a proc and sys tree, and watch its cores 0 and 1."""

    def write(**files):
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return Host((0, 1), tmp_path)

    return write


def state(time=0.0, busy=0.0, own=0.0, throttled=0, limit=None, saving=None):
    return HostState(time, busy, own, throttled, limit, saving)


def test_load_is_that_of_the_measured_cores(system):
    lines = ["cpu 9 9 9 9 9 9 9 9 9 9", "cpu0 1 2 3 99 99 4 5 6 0 0", "cpu1 1 0 0 9 9 0 0 0 0 0"]
    host = system(proc__stat="\n".join([*lines, "cpu10 77 0 0 0 0 0 0 0 0 0", "intr 5"]))
    assert host.state().busy == 22 / TICKS  # without idle and iowait


def test_throttling_is_the_sum_of_all_counters(system):
    folder = "sys__devices__system__cpu__cpu{}__thermal_throttle__"
    counts = {
        f"{folder.format(0)}core_throttle_count": "3\n",
        f"{folder.format(0)}package_throttle_count": "4\n",
        f"{folder.format(1)}core_throttle_count": "5\n",
    }
    assert system(**counts).state().throttled == 12


CPUFREQ = "sys__devices__system__cpu__cpu1__cpufreq__"


@pytest.mark.parametrize(
    ("files", "saving"),
    [
        ({"sys__firmware__acpi__platform_profile": "low-power\n"}, "platform profile low-power"),
        ({"sys__firmware__acpi__platform_profile": "balanced\n"}, None),
        ({f"{CPUFREQ}energy_performance_preference": "power\n"}, "energy preference power"),
        ({f"{CPUFREQ}energy_performance_preference": "balance_power\n"}, None),
    ],
)
@pytest.mark.skipif(os.uname().sysname != "Linux", reason="macOS is asked in another way")
def test_saving_of_power(system, files, saving):
    assert system(**files).state().saving == saving


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="macOS is asked in another way")
def test_what_is_not_told_is_not_taken_for_health(system):
    load, heat = "the load of other processes", "throttling for heat"
    assert system().unwatched() == [load, heat, "power saving"]
    host = system(
        proc__stat="cpu0 1 1 1 1 1 1 1 1 1 1",
        sys__firmware__acpi__platform_profile="balanced",
        sys__devices__system__cpu__cpu0__thermal_throttle__core_throttle_count="0",
    )
    assert host.unwatched() == []


@pytest.mark.parametrize(
    ("after", "measured", "spare", "reason"),
    [
        (state(time=10, busy=20), 20, 0, None),  # two cores, all ours
        (state(time=10, busy=20, own=1), 19, 0, None),  # of which the parent took a part
        (state(time=10, busy=12), 10, 0, "other processes used more than 0.1 of a core"),
        (state(time=10, busy=12), 10, 1, None),  # there is a core for them
        (state(time=10, busy=17), 10, 1, "other processes used more than 0.6 of a core"),
        (state(time=0.1, busy=0.22), 0.2, 0, None),  # no more than the clock's step
        (state(time=10, busy=None), 20, 0, None),
        (state(time=10, throttled=1), 0, 0, "the processor slowed down for heat"),
        (state(time=10, throttled=None), 0, 0, None),
        (state(time=10, saving="low power mode"), 0, 0, "the machine saves power (low power mode)"),
    ],
)
def test_disturbance(after, measured, spare, reason):
    assert disturbance(state(), state(), after, measured, spare) == reason


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [
        (4_000_000, 4_000_000, None),
        (4_000_000, 3_000_000, "the processor slowed down for heat"),
        (3_000_000, 4_000_000, None),  # it had been slow before; nothing was lost since
        (None, 3_000_000, None),
    ],
)
def test_frequency_that_was_lowered_since_the_start(start, end, reason):
    now = state(time=10, limit=end)
    assert disturbance(state(limit=start), state(limit=end), now, 0, 0) == reason


def test_frequency_limit_is_that_of_all_measured_cores(system):
    folder = "sys__devices__system__cpu__cpu{}__cpufreq__scaling_max_freq"
    assert system(**{folder.format(0): "2000000\n"}).state().frequency_limit is None
    assert system(**{folder.format(1): "1500000\n"}).state().frequency_limit == 3_500_000


def test_this_machine():
    host = Host(available_cores())
    before = host.state()
    sum(range(2_000_000))
    after = host.state()
    others = others_seconds(before, after)
    assert others is None or others >= 0
    assert after.time > before.time
