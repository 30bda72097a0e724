"""How much worse than its baseline an artefact may be; ``limits.toml`` explains each limit."""

import math
from dataclasses import dataclass, fields
from pathlib import Path

from validation.regression.errors import LimitsError
from validation.toml_file import read_toml

DEFAULTS = Path(__file__).with_name("limits.toml")


@dataclass(frozen=True)
class Limits:
    """See ``limits.toml``."""

    max_cases_lost: float
    max_mean_iou_loss: float
    max_lowest_iou_loss: float
    max_mean_boundary_iou_loss: float
    max_score_difference_rise: float
    max_sqnr_loss: float
    min_baseline_iou: float
    max_size_growth: float
    max_changed_entries: float
    max_new_operators: float
    max_multiply_adds_growth: float
    max_peak_growth: float
    max_operations_growth: float
    max_memory_growth: float
    max_slowdown: float
    max_slowdown_elsewhere: float
    max_uncertainty: float
    max_device_slowdown: float
    max_device_load_slowdown: float
    max_device_memory_growth: float


def read_limits(path: Path | None = None) -> Limits:
    """The defaults, with what a user's file says instead.

    Raises:
        LimitsError: the file cannot be read, or says something that is no limit.
    """
    limits = read_toml(DEFAULTS, LimitsError)
    known = [field.name for field in fields(Limits)]
    for name, limit in ({} if path is None else read_toml(path, LimitsError)).items():
        if name not in known:
            raise LimitsError(f"{path}: '{name}': expected one of {', '.join(known)}")
        is_number = isinstance(limit, int | float) and not isinstance(limit, bool)
        if not is_number or not 0 <= limit < math.inf:
            raise LimitsError(f"{path}: '{name}' is {limit!r}: expected a number from 0")
        limits[name] = limit
    return Limits(**limits)
