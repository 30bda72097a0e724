"""Reads the limits: how much worse than its baseline an artifact may be."""

from dataclasses import dataclass
from pathlib import Path

from validation.documents.limits import limit, read_limit
from validation.documents.toml_file import read_toml
from validation.regression.errors import LimitsError

DEFAULTS = Path(__file__).with_name("limits.toml")
# The largest share that a limit of growth may be. More would hide every regression.
MOST_GROWTH = 1000


@dataclass(frozen=True)
class Limits:
    """The limits of how much worse than its baseline an artifact may be; ``limits.toml`` explains each."""

    max_cases_lost: float = limit(0, 1000)
    max_mean_iou_loss: float = limit(0, 1)
    max_lowest_iou_loss: float = limit(0, 1)
    max_mean_boundary_iou_loss: float = limit(0, 1)
    max_score_difference_rise: float = limit(0, 1)
    max_sqnr_loss: float = limit(0, 200)
    min_baseline_iou: float = limit(0, 1)
    max_size_growth: float = limit(0, MOST_GROWTH)
    max_changed_entries: float = limit(0, 10_000)
    max_new_operators: float = limit(0, 10_000)
    max_multiply_adds_growth: float = limit(0, MOST_GROWTH)
    max_peak_growth: float = limit(0, MOST_GROWTH)
    max_operations_growth: float = limit(0, MOST_GROWTH)
    max_memory_growth: float = limit(0, MOST_GROWTH)
    max_slowdown: float = limit(0, MOST_GROWTH)
    max_slowdown_elsewhere: float = limit(0, MOST_GROWTH)
    max_uncertainty: float = limit(0, 1)
    max_device_slowdown: float = limit(0, MOST_GROWTH)
    max_device_load_slowdown: float = limit(0, MOST_GROWTH)
    max_device_memory_growth: float = limit(0, MOST_GROWTH)


def read_limits(path: Path | None = None) -> Limits:
    """Read the default limits, and replace those that a user's file sets.

    Raises:
        LimitsError: the file cannot be read, or sets something that is not a limit.
    """
    limits = read_toml(DEFAULTS, LimitsError)
    for name, value in ({} if path is None else read_toml(path, LimitsError)).items():
        limits[name] = read_limit(Limits, name, value, str(path), LimitsError)
    return Limits(**limits)
