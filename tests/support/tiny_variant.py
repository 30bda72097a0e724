"""A variant small enough for tests that convert."""

import dataclasses

from validation.evidence.mutation.small_model import SMALL

TINY = dataclasses.replace(SMALL, name="tiny")
