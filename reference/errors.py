"""The former address of ``reference.common.errors``, for programs that import it; version 0.2 will not have it."""

from reference.common.errors import *  # noqa: F403
