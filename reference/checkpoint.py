"""The former address of ``reference.weights.checkpoint``, for programs that import it; version 0.2 will not have it."""

from reference.weights.checkpoint import *  # noqa: F403
