"""The former address of ``reference.modeling.variants``, for programs that import it; version 0.2 will not have it."""

from reference.modeling.variants import *  # noqa: F403
