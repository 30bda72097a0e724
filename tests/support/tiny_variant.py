"""A variant small enough for tests that convert."""

from reference.modeling.variants import VARIANTS

TINY = VARIANTS["tiny"]
